// The map: our domains on the left, the gateway a line in the middle, and on the right the domains that matter now.

import { draw } from "./dom.js";
import { count, proof, size, STATES, worth } from "./words.js";

const ROW = 38, TOP = 14;

/** The picture for a width in pixels; domains are links to their pages. */
export function picture(whole, width, most) {
  const map = fewer(whole, most);
  const isNarrow = width < 420;
  const rows = map.peers.length + (map.more ? 1 : 0);
  const lefts = isNarrow ? [] : [...map.ours, ...(map.ours_more ? [null] : [])];
  const height = TOP * 2 + Math.max(rows, lefts.length, 2) * ROW;
  const hub = isNarrow ? 7 : Math.round(width * 0.39), right = isNarrow ? 64 : Math.round(width * 0.55);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": words(map) });
  const place = (at, all) => TOP + (height - TOP * 2) / Math.max(all, 1) * (at + 0.5);
  lefts.forEach((each, at) => svg.append(...ours(each, map, place(at, lefts.length), hub, height)));
  svg.append(draw("path", { class: "hub", d: `M${hub} ${TOP - 6} V${height - TOP + 6}` }));
  map.peers.forEach((peer, at) => svg.append(...theirs(peer, place(at, rows), hub, right, width, height, place(at, rows))));
  if (map.more) svg.append(...rest(map, place(rows - 1, rows), hub, right, width));
  return svg;
}

/** The map with fewer domains, half of them the worst. */
function fewer(map, most) {
  if (map.peers.length <= most) return map;
  const bad = map.peers.filter((each) => each.state === "failing" || each.queued), good = map.peers.filter((each) => !bad.includes(each));
  const worst = bad.slice(0, Math.max(most / 2, most - good.length));
  const peers = [...worst, ...good.slice(0, most - worst.length)];
  const failing = (some) => some.filter((each) => each.state === "failing").length;
  return { ...map, peers, more: map.more + map.peers.length - peers.length, more_failing: map.more_failing + failing(map.peers) - failing(peers) };
}

function ours(domain, map, y, hub) {
  const end = hub - 20, room = end - 8;
  if (domain === null) {
    const told = `and ${map.ours_more} more, ${map.ours_down ? `${map.ours_down} down` : "all up"}`;
    return [draw("a", { href: "#ours", class: "node", "data-key": "ours-rest" }, draw("text", { x: end - 8, y: y + 4, class: "small end" }, cut(told, room, 6.2)))];
  }
  const look = domain.up ? "" : "down";
  return [
    draw("path", { class: `line own ${look}`, d: curve(end, y, hub, y), "data-key": `line ${domain.domain}` }),
    draw("circle", { class: `dot ${look}`, cx: end, cy: y, r: 3.5, "data-key": `dot ${domain.domain}` }),
    draw("a", { href: `#/${encodeURIComponent(domain.domain)}`, class: `node ${look}`, "data-key": `ours ${domain.domain}`, "data-domain": domain.domain, "aria-label": `${domain.domain}, ours, ${domain.serve}: ${domain.told}` },
      draw("title", {}, `${domain.domain}: ${domain.told}`),
      draw("text", { x: end - 9, y: y - 1, class: "end", "aria-hidden": "true" }, cut(domain.domain, room, 7.2)),
      draw("text", { x: end - 9, y: y + 13, class: "small end", "aria-hidden": "true" }, cut(domain.up ? domain.serve : domain.told, room, 6.1))),
  ];
}

function theirs(peer, y, hub, right, width) {
  const isFailing = peer.state === "failing", isOpen = peer.streams_in + peer.streams_out > 0;
  const look = isFailing ? "failing" : isOpen ? worth(peer.they_to_us) : "nothing";
  const told = said(peer), room = width - right - 14;
  const thick = isOpen ? Math.min(1.4 + Math.log10(1 + peer.bytes / 2000), 4.5) : 1.2;
  const line = draw("path", { class: `line ${look}${peer.tls === "none" ? " clear" : ""}${isOpen ? "" : " away"}`, d: curve(hub, y, right, y), "stroke-width": thick.toFixed(1), "data-key": `line ${peer.domain}` });
  const flow = peer.moving && isOpen ? draw("path", { class: `flow ${look}`, d: curve(hub, y, right, y), "data-key": `flow ${peer.domain}` }) : null;
  return [line, flow,
    draw("circle", { class: `dot ${look}`, cx: right, cy: y, r: 4, "data-key": `dot ${peer.domain}` }),
    draw("a", { href: `#/${encodeURIComponent(peer.domain)}`, class: `node ${look}`, "data-key": `peer ${peer.domain}`, "data-domain": peer.domain, "aria-label": `${peer.domain}, ${STATES[peer.state]}: ${told}` },
      draw("title", {}, `${peer.domain}: ${told}`),
      draw("text", { x: right + 11, y: y - 1, "aria-hidden": "true" }, cut(peer.domain, room, 7.2)),
      draw("text", { x: right + 11, y: y + 13, class: "small", "aria-hidden": "true" }, cut(told, room, 6.1))),
  ].filter(Boolean);
}

function rest(map, y, hub, right, width) {
  const told = `and ${map.more} more, ${map.more_failing ? `${map.more_failing} failing` : "all well"}`;
  return [
    draw("path", { class: "line nothing", d: curve(hub, y, right, y), "stroke-width": 1.2, "data-key": "line rest" }),
    draw("a", { href: "#?page=2", class: "node", "data-key": "rest" }, draw("text", { x: right + 11, y: y + 4, class: "small" }, cut(told, width - right - 14, 5.9))),
  ];
}

function said(peer) {
  const waiting = peer.queued ? `${peer.queued} waiting` : "";
  if (peer.state === "failing") return [peer.verdict, waiting].filter(Boolean).join(" · ");
  if (!(peer.streams_in + peer.streams_out)) return [STATES[peer.state], waiting].filter(Boolean).join(" · ");
  const way = peer.streams_in && peer.streams_out ? "⇄" : peer.streams_out ? "→" : "←";
  return [`${way} ${proof(peer.they_to_us)}`, peer.tls === "none" ? "no TLS" : "", peer.bytes ? `${size(peer.bytes)}/h` : "", waiting].filter(Boolean).join(" · ");
}

function words(map) {
  return `${count(map.peers.length, "other domain")} drawn, the worst and then the busiest`
    + (map.more ? `, and ${map.more} more` : "") + ". The table says the same in words.";
}

function curve(x1, y1, x2, y2) {
  const bend = (x2 - x1) * 0.5;
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function cut(text, room, letter) {
  const most = Math.max(Math.floor(room / letter), 4);
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
