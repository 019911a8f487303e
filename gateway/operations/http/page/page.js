// The page: it shows what arrives as server-sent events; it requests nothing else and can change nothing.

import { FederationMap, isFailing } from "./map.js";
import { clock, count, duration, make, proofClass, proofWords, size } from "./words.js";

const at = (id) => document.getElementById(id);
const filter = at("filter");
const map = new FederationMap(at("map"), at("map-words"), (domain) => { filter.value = domain; showStreams(); });
let status = null;
let traffic = null;

const events = new EventSource("events");
events.addEventListener("status", (event) => show(JSON.parse(event.data)));
events.addEventListener("failures", (event) => showFailures(JSON.parse(event.data)));
events.addEventListener("error", () => live("lost", "the gateway does not answer; trying again"));
filter.addEventListener("input", showStreams);

function live(state, words) {
  at("live").dataset.state = state;
  set(at("live"), words);
}

/** Sets a text only when it changes, so that screen readers do not repeat it. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function show(news) {
  const before = status;
  status = news;
  live("live", `live, ${clock(status.time)}`);
  const wrong = troubles();
  set(at("verdict"), wrong.length ? (wrong.length === 1 ? "one thing is wrong" : `${wrong.length} things are wrong`) : "all is well");
  at("verdict").dataset.state = wrong.length ? "wrong" : "well";
  document.title = wrong.length ? `(${wrong.length}) xmpp-gateway` : "xmpp-gateway";
  set(at("about"), `version ${status.version}, running for ${duration(status.time - status.started)}`);
  at("problems").replaceChildren(...wrong.map((text) => make("li", {}, text)));
  showTiles(before);
  map.show(status);
  showStreams();
  showQueues();
  showCertificates();
}

function troubles() {
  return status.troubles.map((each) => each.sentence);
}

function showTiles(before) {
  const servers = status.streams.filter((each) => each.kind === "server");
  const proved = servers.filter((each) => proofClass(each) === "certificate").length;
  const failing = status.peers.filter(isFailing).length;
  const waiting = status.queues.reduce((sum, queue) => sum + queue.stanzas, 0);
  const bytes = status.streams.reduce((sum, each) => sum + each.bytes_in + each.bytes_out, 0);
  const rate = traffic && before && status.time > before.time ? Math.max(0, bytes - traffic) / (status.time - before.time) : 0;
  traffic = bytes;
  const tiles = [
    ["streams between servers", servers.length, `${servers.filter((each) => each.direction === "in").length} in, ${servers.filter((each) => each.direction === "out").length} out`],
    ["proved by certificate", proved, `of ${servers.length}`],
    ["other domains", status.peer_count, ""],
    ["failing", failing, "", failing],
    ["stanzas waiting", waiting, ""],
    ["traffic", `${size(rate)}/s`, ""],
  ];
  at("tiles").replaceChildren(...tiles.map(([name, value, more, isBad]) =>
    make("div", { class: isBad ? "bad" : "" }, make("dt", {}, name), make("dd", {}, String(value), " ", make("small", {}, more)))));
}

function showStreams() {
  if (!status) return;
  const wanted = filter.value.trim().toLowerCase();
  const found = status.streams.filter((each) => !wanted || each.local.includes(wanted) || each.remote.includes(wanted));
  const unseen = status.stream_count - status.streams.length;
  set(at("streams-more"), unseen > 0 ? `and ${count(unseen, "stream")} more, idle for longer: xmpp-gateway status` : "");
  fill(at("streams"), ["direction", "ours", "theirs", "state", "proof", "TLS", "age", "in", "out", "address"], found.map((each) => [
    `${each.both_ways ? "⇄" : each.direction === "out" ? "→" : "←"} ${each.direction}`,
    each.local,
    each.kind === "component" ? "component" : each.remote + (each.kind === "keys" ? " (keys)" : ""),
    each.state,
    make("span", { class: `proof ${proofClass(each)}` }, proofWords(each)),
    each.tls === "none" ? cell("none", each.kind === "server" ? "bad" : "") : make("span", { title: each.cipher }, each.tls),
    duration(status.time - each.began),
    size(each.bytes_in),
    size(each.bytes_out),
    each.address,
  ]), wanted ? `no stream with ${wanted}` : "no stream at the moment");
}

function showQueues() {
  const unseen = status.queue_count - status.queues.length;
  set(at("queues-more"), unseen > 0 ? `and ${unseen} more with fewer stanzas waiting: xmpp-gateway queues` : "");
  fill(at("queues"), ["from", "to", "now", "waiting", "sent", "next attempt"], status.queues.map((each) => [
    each.sender,
    each.target,
    each.disposition,
    each.stanzas ? cell(String(each.stanzas), "warn") : "0",
    String(each.sent),
    each.retry_in ? `in ${duration(each.retry_in)}` : "",
  ]), "no stanza is waiting, and none was sent yet");
}

function showCertificates() {
  fill(at("certificates"), ["domain", "days left", "until", "names"], status.certificates.map((each) => {
    const days = Math.floor(each.days_left);
    const bar = make("meter", { min: 0, max: 90, low: 14, high: 30, optimum: 90, value: Math.max(0, Math.min(90, days)), "aria-hidden": "true" });
    return [each.domain, cell([bar, String(days)], days < 14 ? "bad" : ""), each.not_after, each.names];
  }), "no certificate: our domains can prove themselves by dialback only");
}

function showFailures(failures) {
  const place = at("failures");
  const open = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.number));
  place.replaceChildren(...failures.map((failure) => {
    const details = make("details", { "data-number": failure.number }, summary(failure), steps(failure), mend(failure));
    details.open = open.has(String(failure.number));
    return details;
  }));
  if (!failures.length) place.append(make("p", { class: "quiet" }, "Nothing has failed since the start."));
}

function summary(failure) {
  return make("summary", {},
    make("span", { class: "quiet" }, `${clock(failure.began)} `),
    make("span", { class: "who" }, failure.who),
    make("span", { class: "tag" }, failure.verdict),
    make("span", { class: "what" }, failure.what_happened));
}

function steps(failure) {
  return make("ol", { class: "steps", "aria-label": "Steps" }, ...failure.steps.map((step) =>
    make("li", { class: step.ok ? "ok" : "no" },
      make("b", {}, step.step),
      step.told,
      make("span", { class: "time" }, `${step.seconds.toFixed(3)} s`),
      ...["offered", "required"].filter((name) => step[name]).map((name) => make("span", { class: "more" }, `${name}: ${step[name]}`)))));
}

function mend(failure) {
  return make("p", { class: "mend" },
    `${failure.meaning[0].toUpperCase()}${failure.meaning.slice(1)}. The cause is `, make("b", {}, failure.side), `. ${failure.mend}`);
}

/** A value for a highlighted cell. */
function cell(content, look) {
  return { content: [content].flat(), look };
}

function fill(table, headings, rows, none) {
  table.className = "stacks";
  const head = make("thead", {}, make("tr", {}, ...headings.map((name) => make("th", { scope: "col" }, name))));
  const body = make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((value, place) => {
    const { content, look } = value?.content ? value : { content: [value ?? ""], look: "" };
    return make("td", { class: look, "data-name": headings[place] }, ...content);
  }))));
  if (!rows.length) body.append(make("tr", {}, make("td", { class: "quiet", colspan: headings.length }, none)));
  table.replaceChildren(head, body);
}
