// The page of one domain: how it is, why, since when, what to do, and every fact behind that.

import { spark } from "./charts.js";
import { make } from "./dom.js";
import { atNode } from "./nodes.js";
import { proofs } from "./overview.js";
import { capital, clock, count, day, duration, proof, size, STATES, worth } from "./words.js";

export function domainPage({ head, domain, streams, queues, attempts }, name) {
  if (!domain || domain.domain !== name) return [make("p", { class: "quiet", "data-key": "wait" }, `Asking about ${name} …`)];
  const isFailing = domain.peer?.state === "failing";
  const latest = (attempts?.records ?? []).find((each) => each.failed);
  return [
    make("p", { class: "back", "data-key": "back" }, make("a", { href: "#" }, "← all domains")),
    title(domain, head),
    domain.problem ? make("p", { class: "card", "data-key": "problem" }, domain.problem) : null,
    isFailing && latest ? remedy(latest) : null,
    domain.problem ? null : facts(domain, head),
    make("div", { class: "columns", "data-key": "columns" },
      make("div", { class: "wide" }, attempts ? attemptsOf(attempts, isFailing ? latest : null) : null),
      make("div", { class: "side" }, queues?.length ? queuesOf(queues) : null, streams ? streamsOf(streams, head) : null)),
  ];
}

function title(domain, head) {
  const { peer, ours } = domain;
  const state = peer?.state ?? (ours.length ? (ours[0].up ? "connected" : "failing") : "quiet");
  const words = ours.length ? (ours[0].up ? "ours, served" : "ours, not served") : peer ? STATES[peer.state] : "unknown";
  return make("div", { class: "title", "data-key": "title" },
    make("h1", { tabindex: "-1", id: "domain" }, domain.domain),
    make("span", { class: `state ${state}` }, words),
    peer?.since && !ours.length ? make("span", { class: "quiet" }, `for ${duration(head.time - peer.since)}, since ${clock(peer.since)}`) : null,
    make("p", { class: "verdict-words" }, sentence(domain)));
}

function sentence({ peer, ours, domain }) {
  if (ours.length) return `Served as ${ours[0].serve}: ${ours[0].told}.`;
  if (!peer) return `Nothing is known about ${domain}.`;
  if (peer.state === "failing") return `${capital(peer.told)}.`;
  if (peer.state === "turned-away") return `Somebody came under this name and was turned away: ${peer.told}.`;
  if (peer.they_to_us === "address") return `Streams are open, but its certificate does not prove it (${peer.certificate_fault}). We deliver to it because dialback is allowed, which trusts the address that the DNS gives as well.`;
  if (peer.state === "connected") return "Streams are open and stanzas can pass.";
  return peer.state === "opening" ? "A stream is being opened." : "No stream is open; the next stanza opens one.";
}

function remedy(attempt) {
  return make("section", { class: "remedy", "aria-label": "What to do", "data-key": "remedy" },
    make("p", {}, make("b", {}, `The cause is ${attempt.side}. `), attempt.mend));
}

function facts({ peer, rules, filters, keys, domain, ours }, head) {
  const rows = [];
  const add = (name, ...value) => rows.push(make("div", { "data-key": name }, make("dt", {}, name), make("dd", {}, ...value)));
  if (peer) {
    const isOpen = peer.streams_in + peer.streams_out > 0, days = peer.certificate_days;
    add("streams", isOpen ? `${peer.streams_in} in, ${peer.streams_out} out` : "none");
    if (isOpen) {
      add("they to us", make("span", { class: `proof ${worth(peer.they_to_us)}` }, proof(peer.they_to_us)));
      add("we to them", proof(peer.we_to_them));
      add("TLS", peer.tls.replace("TLSv", ""));
      if (days !== null) add("its certificate", days < 0 ? `expired ${count(Math.ceil(-days), "day")} ago` : `${Math.floor(days)} days left`);
    }
    add("waiting", count(peer.queued, "stanza"), peer.queued && peer.oldest ? `, the oldest for ${duration(peer.oldest)}` : "");
    add("next try", peer.retry_in ? `in ${duration(peer.retry_in)}; at once: ` : "when there is something to send", peer.retry_in ? make("code", {}, `xmpp-gateway retry ${domain}`) : "");
    const passed = peer.hour.reduce((all, each) => all + each, 0);
    add("last hour", passed ? spark(peer.hour, `${size(passed)} in the last hour`, "large") : "nothing passed", passed ? size(passed) : "");
  }
  if (!ours.length) add("our rules", ...rulesOf(rules));
  if (filters?.length) add("filters", filters.join(", "));
  for (const [at, key] of (keys ?? []).slice(0, 3).entries())
    add(at ? `its key before` : "its key", make("code", { title: `sha256:${key.key}` }, `${key.key.slice(0, 16)}…`), ` by ${key.issuer}, since ${day(key.since)}`);
  return make("dl", { class: "facts card", "data-key": "facts" }, ...rows);
}

function rulesOf(rules) {
  if (!rules.allow) return ["nothing is exchanged with it ", make("code", {}, "allow = false")];
  return [`${rules.require_tls ? "TLS required" : "TLS not required"}; proof by ${rules.authenticate.join(" or ") || "nothing"}`, rules.connect ? `; at ${rules.connect}` : ""];
}

function streamsOf(streams, head) {
  return make("section", { class: "card", "aria-labelledby": "streams-title", "data-key": "streams" },
    make("h2", { id: "streams-title" }, "Streams"),
    streams.rows.length ? make("ul", { class: "streams" }, ...streams.rows.map((each) => make("li", { "data-key": `${each.number} ${each.node ?? ""}` },
      make("p", {}, make("b", {}, `${each.both_ways ? "⇄" : each.direction === "out" ? "→" : "←"} ${each.direction === "out" ? "to" : "from"} ${each.address}`), ` ${each.state}`, atNode(each)),
      make("p", { class: "quiet" }, `with ${each.local || "?"}, for ${duration(head.time - each.began)}; ${each.tls === "none" ? "no TLS" : `${each.tls}, ${each.cipher}`}; ${size(each.bytes_in)} in, ${size(each.bytes_out)} out`),
      each.kind === "server" || each.kind === "keys" ? make("p", {}, ...proofs(each)) : null,
      each.certificate ? make("p", { class: "quiet" }, `certificate ${each.certificate}${each.certificate_fault ? ` — ${each.certificate_fault}` : ""}`) : null)))
      : make("p", { class: "quiet none" }, "No stream is open."),
    streams.more ? make("p", { class: "quiet" }, `and ${count(streams.more, "stream")} more`) : null);
}

function queuesOf(queues) {
  return make("section", { class: "card", "aria-labelledby": "queues-title", "data-key": "queues" },
    make("h2", { id: "queues-title" }, "Routes"),
    make("ul", { class: "streams" }, ...queues.map((each) => make("li", { "data-key": `${each.sender} ${each.node ?? ""}` },
      make("p", {}, "from ", make("b", {}, each.sender), ` ${each.disposition}`, atNode(each)),
      make("p", { class: "quiet" }, `${count(each.stanzas, "stanza")} waiting, ${each.sent} sent`)))));
}

function attemptsOf(attempts, told) {
  return make("section", { class: "card", "aria-labelledby": "attempts-title", "data-key": "attempts" },
    make("h2", { id: "attempts-title" }, "Attempts, the latest first"),
    ...(attempts.records.length ? attempts.records.map((each, at) => attemptOf(each, at, told))
      : [make("p", { class: "quiet none" }, "No attempt since the start. To make one now: ", make("code", {}, `xmpp-gateway probe ${attempts.domain}`))]),
    attempts.more ? make("p", { class: "quiet" }, `and ${attempts.more} before: xmpp-gateway explain ${attempts.domain}`) : null);
}

/** One attempt; the remedy is left out of the one that is `told` at the top. */
function attemptOf(attempt, at, told) {
  return make("details", { class: "attempt", open: at === 0, "data-key": `${attempt.number} ${attempt.node ?? ""}` },
    make("summary", {}, make("span", { class: "quiet" }, clock(attempt.began)), " ",
      make("span", { class: `tag ${attempt.failed ? "" : "well"}` }, attempt.outcome), " ",
      make("span", {}, attempt.direction === "out" ? "to them" : "to us"), atNode(attempt), make("span", { class: "told" }, attempt.failed ? capital(attempt.what_happened) : "")),
    make("p", { class: "quiet" }, attempt.who),
    make("ol", { class: "steps", "aria-label": "Steps" }, ...attempt.steps.map((step) => make("li", { class: step.ok ? "ok" : "no" },
      make("b", {}, step.step), make("span", {}, step.told, ...["offered", "required"].filter((name) => step[name]).map((name) => make("small", {}, `${name}: ${step[name]}`))),
      make("span", { class: "time" }, `${step.seconds.toFixed(3)} s`)))),
    attempt.ended ? make("p", {}, make("b", {}, "It ended "), `after ${duration(attempt.ended.lasted)} (${attempt.ended.verdict}): ${attempt.ended.reason}`) : null,
    attempt.failed && attempt.number !== told?.number ? make("p", { class: "mend" }, `${capital(attempt.meaning)}. The cause is `, make("b", {}, attempt.side), `. ${attempt.mend}`) : null);
}
