// The first view: what is wrong, the last hour or day, every other domain in order of trouble, the map, what failed.

import { bars, spark } from "./charts.js";
import { make } from "./dom.js";
import { picture } from "./map.js";
import { atNode, nodesCard } from "./nodes.js";
import { capital, clock, count, duration, proof, short, size, STATES, stretch, worth } from "./words.js";

const ORDERS = { trouble: "trouble", name: "name", waiting: "waiting", traffic: "traffic" };

/** Everything of this view, from the data that has come so far; `to` makes the address of the same view with changes. */
export function overview({ head, nodes, strip, peers, map, failures, outbox }, query, to, width) {
  const isNarrow = innerWidth < 737;
  return [
    make("h1", { class: "unseen", "data-key": "title" }, "Other domains"),
    head && troubles(head),
    nodesCard(nodes, head, query, to),
    strip && stripOf(strip, query, to),
    map && isNarrow && map.peers.length ? mapCard(map, width, 8) : null,
    make("div", { class: "columns", "data-key": "columns" },
      make("div", { class: "wide" }, head && peers ? table(head, peers, query, to) : null),
      make("div", { class: "side" }, map && !isNarrow ? mapCard(map, width) : null, failures ? failed(failures) : null, outbox && head ? outboxOf(outbox, head) : null)),
  ];
}

export function troubles(head) {
  if (!head.troubles.length) return null;
  const more = head.trouble_count - head.troubles.length;
  return make("section", { class: "troubles", "aria-label": "What is wrong", "data-key": "troubles" },
    ...head.troubles.map((each) => make("div", { class: "trouble", "data-key": `${each.kind} ${each.subject} ${each.node ?? ""}` },
      make("p", { class: "what" }, capital(each.sentence), atNode(each)),
      make("p", { class: "more" }, each.remedy ? `${capital(each.remedy)}. ` : "", each.since ? `Since ${clock(each.since)}.` : ""))),
    more > 0 ? make("p", { class: "more" }, `and ${more} more: xmpp-gateway status`) : null);
}

function stripOf(strip, query, to) {
  const range = query.range === "day" ? "day" : "hour", places = range === "day" ? 144 : 60;
  const sum = (values) => values.reduce((all, each) => all + each, 0);
  const last = range === "day" ? "the last 24 hours" : "the last hour";
  const tile = (name, number, look, chart, told = "") => make("div", { class: `tile ${look}`, "data-key": name },
    make("h3", {}, name), make("p", { class: "number" }, short(number), told ? make("small", {}, told) : null), chart);
  const stanzas = sum(strip.in) + sum(strip.out), now = strip.waiting.at(-1) ?? 0;
  return make("section", { class: "strip", "aria-labelledby": "strip-title", "data-key": "strip" },
    make("div", { class: "row" }, make("h2", { id: "strip-title" }, range === "day" ? "Last 24 hours" : "Last hour"),
      make("p", { class: "choice" }, choice("hour", range === "hour", to({ range: "" })), choice("day", range === "day", to({ range: "day" })))),
    make("div", { class: "tiles" },
      tile("stanzas", stanzas, "", bars(strip.in, strip.out, places, `${sum(strip.in)} stanzas in, ${sum(strip.out)} out in ${last}`), `${short(sum(strip.in))} in · ${short(sum(strip.out))} out`),
      tile("waiting", now, now ? "warn" : "", spark(strip.waiting, `${now} stanzas waiting now, at most ${Math.max(...strip.waiting, 0)} in ${last}`), `at most ${short(Math.max(...strip.waiting, 0))}`),
      tile("failures", sum(strip.failures), sum(strip.failures) ? "bad" : "", bars(strip.failures, null, places, `${sum(strip.failures)} failures in ${last}`)),
      tile("bounces", sum(strip.bounces), "", bars(strip.bounces, null, places, `${sum(strip.bounces)} bounces in ${last}`)),
      tile("handshakes", sum(strip.handshakes), "", bars(strip.handshakes, null, places, `${sum(strip.handshakes)} streams established in ${last}`))));
}

function choice(name, isChosen, href) {
  return make("a", { href, "aria-current": isChosen ? "true" : null }, name);
}

function table(head, peers, query, to) {
  const states = Object.keys(STATES).filter((state) => head.peers[state] || query.state === state);
  const order = query.order || "trouble";
  return make("section", { class: "card", "aria-labelledby": "peers-title", "data-key": "peers" },
    make("div", { class: "row" }, make("h2", { id: "peers-title" }, query.search ? `Domains with “${query.search}”` : "Other domains"),
      make("p", { class: "choice" }, make("span", {}, "by "), ...Object.entries(ORDERS).map(([value, name]) => choice(name, order === value, to({ order: value === "trouble" ? "" : value, page: "" }))))),
    make("p", { class: "filters" },
      filter("all", head.peer_count, !query.state, to({ state: "", page: "" }), ""),
      ...states.map((state) => filter(STATES[state], head.peers[state] ?? 0, query.state === state, to({ state, page: "" }), state))),
    peers.rows.length ? make("table", { class: "peers" },
      make("thead", {}, make("tr", {}, ...["domain", "since", "waiting", "proof", "TLS", "certificate", "last hour"].map((name) => make("th", { scope: "col", class: `c-${name.replace(" ", "-")}` }, name)))),
      make("tbody", {}, ...peers.rows.map((each) => row(each, head.time))))
      : make("p", { class: "quiet none" }, query.search || query.state ? "No domain matches." : "No other domain has been seen since the start."),
    pages(peers, to));
}

function filter(name, number, isChosen, href, state) {
  return make("a", { href, class: `filter ${state}`, "aria-current": isChosen ? "true" : null }, name, " ", make("b", {}, short(number)));
}

export function pages(list, to) {
  if (list.pages < 2 && !list.is_cut) return null;
  const first = (list.page - 1) * list.size + 1;
  return make("p", { class: "pages" },
    make("span", { class: "quiet" }, `${first} to ${first + list.rows.length - 1} of ${list.total}`),
    list.page > 1 ? make("a", { href: to({ page: list.page > 2 ? list.page - 1 : "" }), rel: "prev" }, "← before") : null,
    list.page < list.pages ? make("a", { href: to({ page: list.page + 1 }), rel: "next" }, "next →") : null,
    list.is_cut && list.page === list.pages ? make("span", { class: "quiet" }, "for more, choose a node") : null);
}

function row(peer, now) {
  const isOpen = peer.streams_in + peer.streams_out > 0;
  const told = said(peer), isBad = peer.state === "failing" || peer.state === "turned-away";
  return make("tr", { class: peer.state, "data-key": `${peer.domain}${peer.node ? ` ${peer.node}` : ""}` },
    make("td", { class: "c-domain" },
      make("a", { href: `#/${encodeURIComponent(peer.domain)}`, class: "domain" }, make("i", { class: `mark ${peer.state}`, "aria-hidden": "true" }), peer.domain),
      atNode(peer),
      make("span", { class: "unseen" }, STATES[peer.state]),
      told && isOpen ? make("span", { class: "told" }, told) : null),
    make("td", { class: "c-since", "data-name": "since" }, peer.since ? duration(now - peer.since) : ""),
    make("td", { class: `c-waiting${peer.queued ? " warn" : ""}`, "data-name": "waiting" }, peer.queued ? short(peer.queued) : "",
      peer.queued && peer.oldest ? make("small", {}, duration(peer.oldest)) : null),
    ...(isOpen ? open(peer) : [make("td", { class: "c-told", colspan: 4 }, isBad ? make("span", { class: "tag" }, peer.verdict) : null, told)]));
}

/** The cells about the streams that are open. */
function open(peer) {
  const days = peer.certificate_days;
  return [
    make("td", { class: "c-proof", "data-name": "proof" }, proofs(peer)),
    make("td", { class: `c-TLS${peer.tls === "none" ? " warn" : ""}`, "data-name": "TLS" }, peer.tls.replace("TLSv", "")),
    make("td", { class: `c-certificate${days !== null && days < 14 ? " warn" : ""}`, "data-name": "certificate" }, days === null ? "" : days < 0 ? "expired" : `${Math.floor(days)} d`),
    make("td", { class: "c-last-hour", "data-name": "last hour" }, peer.hour.length ? spark(peer.hour, `${size(peer.hour.reduce((all, each) => all + each, 0))} in the last hour`) : ""),
  ];
}

function said(peer) {
  if (peer.state === "failing") return `${capital(peer.told)}${peer.failures > 1 ? ` (${peer.failures} times)` : ""}${peer.retry_in ? `; next try in ${duration(peer.retry_in)}` : ""}`;
  if (peer.state === "turned-away") return capital(peer.told);
  if (peer.streams_in + peer.streams_out && peer.certificate_fault) return capital(peer.certificate_fault);
  return "";
}

/** Both facts, for a cell. */
export function proofs(each) {
  return [
    make("span", { class: `proof ${worth(each.they_to_us)}`, title: `they to us: ${proof(each.they_to_us)}` }, make("span", { class: "unseen" }, "they to us: "), make("i", { "aria-hidden": "true" }, "←"), proof(each.they_to_us)),
    make("span", { class: "proof ours", title: `we to them: ${proof(each.we_to_them)}` }, make("span", { class: "unseen" }, "we to them: "), make("i", { "aria-hidden": "true" }, "→"), proof(each.we_to_them)),
  ];
}

function mapCard(map, width, most = map.peers.length) {
  return make("section", { class: "card", "aria-labelledby": "map-title", "data-key": "map" },
    make("h2", { id: "map-title" }, "What matters now"),
    map.peers.length ? make("div", { class: "map", id: "map" }, picture(map, width, most)) : make("p", { class: "quiet none" }, "Nothing yet."),
    make("ul", { class: "legend", "aria-label": "What the lines mean: what the other side has proved to us" },
      ...[["certificate", "certificate"], ["dialback", "dialback"], ["address", "address only"], ["failing", "failing"], ["clear", "no TLS"]]
        .map(([look, name]) => make("li", {}, make("i", { class: `key ${look}` }), name))));
}

/** Show the stanzas on the disk, how the others have ended since the start, and what filters hold back. */
function outboxOf({ figures, withheld, lists, events }, head) {
  const rows = [];
  const add = (name, ...value) => rows.push(make("div", { "data-key": name }, make("dt", {}, name), make("dd", {}, ...value)));
  if (figures) {
    if (figures.condition !== "ready") add("state", make("span", { class: "warn" }, figures.condition));
    add("kept", figures.stanzas ? `${count(figures.stanzas, "stanza")}, the oldest for ${duration(figures.oldest_seconds)}, ${size(figures.bytes)}` : "nothing waits on the disk");
    const ended = Object.entries(figures.counts).filter(([, number]) => number);
    add("since the start", ended.length ? ended.map(([name, number]) => `${short(number)} ${name.replaceAll("_", " ")}`).join(", ") : "nothing had to be kept");
    if (figures.held.length) add("held by you", figures.held.slice(0, 5).join(", "), figures.held.length > 5 ? ` and ${figures.held.length - 5} more` : "");
  }
  add("held by filters", withheld ? `${count(withheld, "stanza")}: ` : "nothing", withheld ? make("code", {}, "xmpp-gateway held") : "");
  for (const each of lists)
    add(`list ${each.name}`, `${each.entries} ${each.entries === 1 ? "entry" : "entries"}`, each.is_well ? "" : make("span", { class: "warn" }, `: ${each.state}`));
  return make("section", { class: "card", "aria-labelledby": "outbox-title", "data-key": "outbox" },
    make("h2", { id: "outbox-title" }, "Outbox and filters"),
    make("dl", { class: "facts", id: "outbox" }, ...rows),
    events.length ? make("ol", { class: "groups", "aria-label": "What happened to it, the latest first" }, ...events.map((each) =>
      make("li", { "data-key": `${each.time} ${each.sentence} ${each.node ?? ""}` },
        make("p", { class: "when" }, clock(each.time, false)), make("span", { class: "told" }, capital(each.sentence), atNode(each))))) : null);
}

function failed(failures) {
  return make("section", { class: "card", "aria-labelledby": "failures-title", "data-key": "failures" },
    make("h2", { id: "failures-title" }, "Recent failures"),
    failures.groups.length ? make("ol", { class: "groups", id: "failures" }, ...failures.groups.map((group) =>
      make("li", { "data-key": `${group.domain} ${group.node ?? ""}` },
        make("p", {}, make("a", { href: `#/${encodeURIComponent(group.domain)}`, class: "domain" }, group.domain || "an unnamed server"),
          make("span", { class: "tag" }, group.verdict), atNode(group)),
        make("p", { class: "when" }, group.count > 1 ? `${group.count} times, ${stretch(group.first, group.last)}` : clock(group.last, false)),
        make("span", { class: "told" }, capital(group.what)))))
      : make("p", { class: "quiet none" }, "Nothing has failed since the start."),
    failures.more ? make("p", { class: "quiet" }, `and ${count(failures.more, "domain")} more`) : null);
}
