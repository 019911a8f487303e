// The page: it shows what arrives as server-sent events for the view that its address names, and can change nothing.
//
//   #?search=&state=&order=&page=&range=   all other domains
//   #/DOMAIN                               one domain
//   #ours?search=&page=                    our own domains
//
// Where several gateways are one, all but the page of a domain take node=, which chooses one of them.

import { make, show } from "./dom.js";
import { domainPage } from "./domain.js";
import { oursPage } from "./ours.js";
import { overview } from "./overview.js";
import { clock, count, duration } from "./words.js";

const SILENCE = 7000; // milliseconds: updates come every two seconds
const at = (id) => document.getElementById(id);
const main = at("main");
let data = {};
let view = read();
let events = null;
let heard = Date.now();
let contact = null; // when an update came last

function read() {
  const hash = decodeURI(location.hash.slice(1));
  if (hash.startsWith("/")) return { name: "domain", query: { domain: decodeURIComponent(location.hash.slice(2)).toLowerCase() } };
  const [name, words = ""] = location.hash.slice(1).split("?");
  return { name: name === "ours" ? "ours" : "overview", query: Object.fromEntries(new URLSearchParams(words)) };
}

/** The address of this view with some of its words changed; an empty one is left out. */
function to(changes) {
  const words = new URLSearchParams(Object.entries({ ...view.query, ...changes }).filter(([, value]) => value !== ""));
  const text = words.toString();
  return `#${view.name === "ours" ? "ours" : ""}${text || view.name === "overview" ? "?" : ""}${text}`;
}

function listen() {
  events?.close();
  const words = new URLSearchParams({ view: view.name, ...view.query });
  events = new EventSource(`events?${words}`);
  for (const name of ["head", "nodes", "strip", "peers", "map", "failures", "outbox", "domain", "streams", "queues", "attempts", "ours"])
    events.addEventListener(name, (event) => { data[name] = JSON.parse(event.data); came(); });
  events.addEventListener("beat", came);
  events.addEventListener("error", () => lost());
}

let isDrawing = false;
function came() {
  heard = Date.now();
  if (data.head) contact = data.head.time;
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => { isDrawing = false; draw(); });
}

function lost() {
  if (!document.body.classList.contains("away")) {
    document.body.classList.add("away");
    const since = contact === null ? "" : ` since ${clock(heard / 1000)}`;
    at("lost").hidden = false;
    at("lost").textContent = `No contact with the gateway${since}. ${contact === null ? "" : "What is shown here is from then and may no longer be so. "}Trying again.`;
    set(at("verdict"), `no contact${since}`);
    at("verdict").dataset.state = "lost";
    live("lost", "no contact");
    document.title = `(no contact${since}) xmpp-gateway`;
  }
}

function found() {
  document.body.classList.remove("away");
  at("lost").hidden = true;
}

setInterval(() => { if (Date.now() - heard > SILENCE) lost(); }, 1000);

function live(state, words) {
  at("live").dataset.state = state;
  set(at("live"), words);
}

/** Sets a text only when it changes, so that screen readers do not repeat it. */
function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function draw() {
  const { head } = data;
  if (!head) return;
  found();
  const failing = head.peers.failing ?? 0, wrong = head.trouble_count;
  const verdict = wrong ? (wrong === 1 ? "one thing is wrong" : `${wrong} things are wrong`)
    : failing ? `${count(failing, "domain")} failing` : "all is well";
  set(at("verdict"), verdict);
  at("verdict").dataset.state = wrong ? "wrong" : failing ? "failing" : "well";
  document.title = `${wrong || failing ? `(${verdict}) ` : ""}${view.name === "domain" ? `${view.query.domain} · ` : ""}xmpp-gateway`;
  live("live", `live, ${clock(head.time)}`);
  set(at("about"), `Version ${head.version}, running for ${duration(head.time - head.started)}.`);
  for (const link of document.querySelectorAll("nav a"))
    link.toggleAttribute("aria-current", link.dataset.view === view.name);
  let width = mapWidth();
  const parts = {
    overview: () => overview(data, view.query, to, width),
    domain: () => domainPage(data, view.query.domain),
    ours: () => oursPage(data, view.query, to),
  };
  const focused = document.activeElement;
  show(main, ...parts[view.name]());
  // A row that changes its place in the order keeps the focus.
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
  if (view.name === "overview" && width !== mapWidth()) {
    width = mapWidth(); // of the place that there is now
    show(main, ...parts[view.name]());
  }
}

function mapWidth() {
  const place = at("map") ?? document.querySelector(".side");
  return Math.max(280, Math.round((place ?? main).clientWidth - (place?.id === "map" ? 0 : 34)));
}

function go() {
  const before = view;
  view = read();
  const keep = before.name === view.name && view.name !== "domain";
  data = keep ? data : { head: data.head };
  if (!keep) {
    scrollTo(0, 0);
    main.replaceChildren();
    main.focus({ preventScroll: true });
  }
  if (document.activeElement !== at("search")) at("search").value = view.query.search ?? "";
  listen();
  draw();
}

let typing = 0;
at("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => {
    if (view.name === "domain") view = { name: "overview", query: {} };
    location.replace(to({ search: at("search").value.trim().toLowerCase(), page: "" }));
  }, 200);
});
at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  const only = data.peers?.rows.length === 1 ? data.peers.rows[0].domain : at("search").value.trim().toLowerCase();
  if (only) location.hash = `/${encodeURIComponent(only)}`;
});
at("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
addEventListener("keydown", (event) => {
  if (event.key === "/" && event.target.localName !== "input") { event.preventDefault(); at("search").focus(); }
});
addEventListener("hashchange", go);
addEventListener("resize", () => came());
at("search").value = view.query.search ?? "";
listen();
