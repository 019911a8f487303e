// The map: our domains on the left, the gateway, other domains on the right, and every stream a line between them.

import { count, draw, proofClass, proofWords, size } from "./words.js";

const ROW = 46, NODE = 36, TOP = 8, MOST = 40;

/** Redraws the map in its place; `chosen` is called with the domain whose node was chosen. */
export class FederationMap {
  constructor(place, words, chosen) {
    this.place = place;
    this.words = words;
    this.chosen = chosen;
    this.traffic = new Map();
    new ResizeObserver(() => this.last && this.show(this.last)).observe(place);
  }

  show(status) {
    this.last = status;
    const width = Math.max(300, this.place.clientWidth);
    const column = Math.min(260, width * 0.36);
    const ours = status.domains.slice(0, MOST);
    const peers = choose(status, ours);
    const height = TOP * 2 + Math.max(ours.length, peers.length, 2) * ROW;
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": this.say(status, peers) });
    const gap = width - 2 * column;
    const hub = { x: column + gap * (gap > 300 ? 0.32 : 0.5), width: Math.min(gap * 0.28, 90) };
    const left = places(ours.map((each) => each.domain), height, column);
    const right = places(peers.map((each) => each.domain), height, width - column);
    svg.append(...this.lines(status, left, right, peers, hub));
    svg.classList.toggle("dense", status.streams.length > 24);
    svg.append(gate(hub, height));
    svg.append(...ours.map((each) => this.node(each.domain, `${each.serve}: ${each.told}`, each.up ? "" : "down", 0, left, column)));
    svg.append(...peers.map((each) => this.node(each.domain, peerWords(each, status.streams), isFailing(each) ? "failed" : "", width - column, right, column)));
    // A chosen node keeps the focus when the map is redrawn.
    const focused = document.activeElement?.dataset?.domain;
    this.place.replaceChildren(svg);
    this.heat(this.hot);
    if (focused) [...svg.querySelectorAll("a")].find((link) => link.dataset.domain === focused)?.focus();
  }

  node(domain, told, state, x, positions, width) {
    const y = positions.get(domain).y;
    const letters = Math.floor((width - 16) / 7.4);
    const link = draw("a", { href: "#streams-section", class: `node ${state}`, "aria-label": `${domain}: ${told}; show its streams` },
      draw("title", { "aria-hidden": "true" }, `${domain}: ${told}`),
      draw("rect", { x: x + 1, y: y - NODE / 2, width: width - 2, height: NODE, rx: 8 }),
      draw("text", { x: x + 9, y: y - 3, "aria-hidden": "true" }, short(domain, letters)),
      draw("text", { x: x + 9, y: y + 12, class: "small", "aria-hidden": "true" }, short(told, Math.floor(letters * 1.2))));
    link.dataset.domain = domain;
    link.addEventListener("click", () => this.chosen(domain));
    for (const event of ["mouseenter", "focus"]) link.addEventListener(event, () => this.heat(domain));
    for (const event of ["mouseleave", "blur"]) link.addEventListener(event, () => this.heat(null));
    return link;
  }

  /** Highlights the streams of one domain. */
  heat(domain) {
    this.hot = domain;
    for (const group of this.place.querySelectorAll("g[data-ours]"))
      group.classList.toggle("cold", Boolean(domain) && group.dataset.ours !== domain && group.dataset.theirs !== domain);
  }

  lines(status, left, right, peers, hub) {
    const lines = [];
    const abreast = new Map();
    for (const stream of status.streams) {
      const ours = left.get(stream.local), theirs = right.get(stream.remote) ?? left.get(stream.remote);
      if (!theirs) continue;
      const key = `${stream.local} ${stream.remote}`;
      const lane = abreast.get(key) ?? 0;
      abreast.set(key, lane + 1);
      const shift = (lane % 2 ? -1 : 1) * Math.ceil(lane / 2) * 7;
      lines.push(this.line(stream, ours, theirs, right.has(stream.remote), hub, shift));
    }
    for (const peer of peers.filter(isFailing)) {
      if (peer.streams_in + peer.streams_out) continue;
      const to = right.get(peer.domain);
      lines.push(draw("path", { class: "line failed", d: curve(hub.x + hub.width / 2, to.y, to.x, to.y) }));
    }
    for (const domain of status.domains) {
      const at = left.get(domain.domain);
      if (at && domain.serve !== "relay" && domain.up)
        lines.unshift(draw("path", { class: "line unproved", d: curve(at.x, at.y, hub.x - hub.width / 2, at.y), opacity: 0.45 }));
    }
    return lines;
  }

  line(stream, ours, theirs, isOutside, hub, shift) {
    const kind = `${proofClass(stream)}${stream.tls === "none" ? " plain" : ""}`;
    const y = (ours ?? theirs).y + shift;
    const path = isOutside
      ? curve(hub.x + hub.width / 2, y, theirs.x, theirs.y + shift)
      : curve(theirs.x, theirs.y + shift, hub.x - hub.width / 2, theirs.y + shift);
    const isRightward = (stream.direction === "out") === isOutside;
    const ends = isOutside ? [[hub.x + hub.width / 2, y], [theirs.x, theirs.y + shift]]
      : [[theirs.x, theirs.y + shift], [hub.x - hub.width / 2, theirs.y + shift]];
    const [tail, tip] = isRightward ? ends : ends.reverse();
    const back = isRightward ? -9 : 9;
    const group = draw("g", { class: kind, "data-ours": stream.local, "data-theirs": stream.remote },
      draw("title", {}, `${stream.direction === "out" ? "from us" : "to us"}: ${stream.local} and ${stream.remote}, ${stream.state}, proof ${proofWords(stream)}, ${stream.tls === "none" ? "no TLS" : stream.tls}, ${size(stream.bytes_in)} in, ${size(stream.bytes_out)} out`),
      draw("path", { class: `line ${kind}`, d: path }),
      draw("path", { class: "head", d: `M${tip[0]} ${tip[1]} l${back} -4.5 v9 z` }));
    if (stream.both_ways) group.append(draw("path", { class: "head", d: `M${tail[0]} ${tail[1]} l${-back} -4.5 v9 z` }));
    group.append(...this.dots(stream, path, isRightward));
    return group;
  }

  /** Runs a dot along a stream that has carried data since the last update. */
  dots(stream, path, isForward) {
    const before = this.traffic.get(stream.number);
    const now = stream.bytes_in + stream.bytes_out;
    this.traffic.set(stream.number, now);
    if (before === undefined || before === now) return [];
    const move = { dur: "1.1s", path, repeatCount: "2", fill: "remove", begin: "indefinite" };
    if (!isForward) Object.assign(move, { keyPoints: "1;0", keyTimes: "0;1", calcMode: "linear" });
    const motion = draw("animateMotion", move);
    const dot = draw("circle", { class: "dot", r: 4, cx: 0, cy: 0, opacity: 0 }, motion,
      draw("set", { attributeName: "opacity", to: "1", begin: "indefinite", dur: "2.2s" }));
    requestAnimationFrame(() => dot.isConnected && dot.querySelectorAll("animateMotion, set").forEach((each) => each.beginElement()));
    return [dot];
  }

  say(status, peers) {
    const failing = peers.filter(isFailing).length;
    const told = `${count(status.domains.length, "domain")} of ours, ${count(status.stream_count, "stream")}`
      + ` with ${count(status.peer_count, "other domain")}`
      + (peers.length < status.peer_count ? `, ${peers.length} of them drawn` : "")
      + (failing ? `, ${failing === 1 ? "one of them failing" : `${failing} of them failing`}` : "");
    if (this.words.textContent !== told) this.words.textContent = told;
    return `${told}. The tables below say the same in words.`;
  }
}

const ok = new Set(["", "established", "under-way", "questions-answered", "closed-by-us", "said-nothing"]);

export function isFailing(peer) {
  return !ok.has(peer.verdict);
}

/** The peers to draw: those with streams, queues or problems first. */
function choose(status, ours) {
  const names = new Set(ours.map((each) => each.domain));
  const weight = (peer) => (peer.streams_in + peer.streams_out) * 4 + (peer.queued ? 3 : 0) + (isFailing(peer) ? 2 : 0);
  const outside = status.peers.filter((peer) => !names.has(peer.domain));
  return outside.sort((a, b) => weight(b) - weight(a) || (b.when ?? 0) - (a.when ?? 0)).slice(0, MOST)
    .sort((a, b) => a.domain.localeCompare(b.domain));
}

/** What the streams with a domain have in common: direction, proof, TLS, traffic. */
function peerWords(peer, all) {
  const streams = all.filter((each) => each.remote === peer.domain);
  const waiting = peer.queued ? `${peer.queued} waiting` : "";
  if (!streams.length) return [isFailing(peer) ? peer.verdict : "no stream", waiting].filter(Boolean).join(" · ");
  const ways = new Set(streams.flatMap((each) => each.both_ways ? ["in", "out"] : [each.direction]));
  const way = ways.size === 2 ? "⇄" : ways.has("out") ? "→" : "←";
  const proofs = [...new Set(streams.map(proofWords))].sort().join(", ");
  const versions = [...new Set(streams.map((each) => each.tls.replace("TLSv", "")))].sort().join("/");
  const tls = versions === "none" ? "no TLS" : `TLS ${versions}`;
  const bytes = streams.reduce((sum, each) => sum + each.bytes_in + each.bytes_out, 0);
  return [`${way} ${proofs}`, tls, size(bytes), waiting].filter(Boolean).join(" · ");
}

function places(names, height, x) {
  const room = (height - TOP * 2) / Math.max(names.length, 1);
  return new Map(names.map((name, row) => [name, { x, y: TOP + room * (row + 0.5) }]));
}

function gate(hub, height) {
  const group = draw("g", { class: "hub" }, draw("rect", { x: hub.x - hub.width / 2, y: TOP, width: hub.width, height: height - TOP * 2, rx: 10 }));
  const label = hub.width > 70 ? "gateway" : "";
  if (label) group.append(draw("text", { x: hub.x, y: height / 2 + 5, "aria-hidden": "true" }, label));
  return group;
}

function curve(x1, y1, x2, y2) {
  const bend = (x2 - x1) * 0.45;
  return `M${x1} ${y1} C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

function short(text, letters) {
  return text.length > letters ? `${text.slice(0, Math.max(letters - 1, 3))}…` : text;
}
