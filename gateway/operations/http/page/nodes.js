// The nodes of a cluster: a row for each, and the choice of the node whose view is shown. Alone there is nothing of this.

import { make } from "./dom.js";
import { clock, count, duration, short } from "./words.js";

const STATES = { up: "up", draining: "draining", silent: "does not answer", gone: "gone" };
const LOOKS = { up: "connected", draining: "opening", silent: "failing", gone: "failing" };

/** The table of the nodes; a node's name leads to what that node alone shows. */
export function nodesCard(nodes, head, query, to) {
  if (!nodes || !head) return null;
  const rest = nodes.total - nodes.rows.length;
  const numbers = Object.keys(STATES).filter((state) => nodes.states[state]).map((state) => `${nodes.states[state]} ${STATES[state]}`).join(", ");
  return make("section", { class: "card", "aria-labelledby": "nodes-title", "data-key": "nodes" },
    make("div", { class: "row" }, make("h2", { id: "nodes-title" }, "Nodes"),
      make("p", { class: "choice" }, make("span", {}, `${numbers}; shown: `),
        make("a", { href: to({ node: "", page: "" }), "aria-current": query.node ? null : "true" }, "all"),
        query.node ? make("a", { href: to({ node: query.node, page: "" }), "aria-current": "true" }, query.node) : null)),
    make("div", { class: "many", tabindex: nodes.rows.length > 8 ? "0" : null }, make("table", { class: "nodes" },
      make("thead", {}, make("tr", {}, ...["node", "state", "version", "shards", "streams", "last hour", "waiting", "outbox", "crossing"].map((name) => make("th", { scope: "col" }, name)))),
      make("tbody", {}, ...nodes.rows.map((each) => row(each, nodes, head.time, to))))),
    rest > 0 ? make("p", { class: "quiet" }, `and ${count(rest, "node")} more: xmpp-gateway status`) : null);
}

/** Where a row comes from, if there are several nodes. */
export function atNode(each) {
  return each.node ? make("small", { class: "at" }, ` at ${each.node}`) : null;
}

function row(each, nodes, now, to) {
  const cell = (name, value, look = "") => make("td", { "data-name": name, class: look }, value === null || value === undefined ? "" : value);
  const state = STATES[each.state] ?? each.state, look = LOOKS[each.state] ?? "opening";
  const passed = each.stanzas_in === null ? null : `${short(each.stanzas_in)} in, ${short(each.stanzas_out)} out`;
  const kept = each.kept === null ? null : each.kept ? `${short(each.kept)}${each.oldest ? `, ${duration(each.oldest)}` : ""}` : "";
  return make("tr", { class: look === "failing" ? "failing" : "", "data-key": each.node },
    make("td", {},
      make("a", { href: to({ node: each.node, page: "" }), class: "domain" }, make("i", { class: `mark ${look}`, "aria-hidden": "true" }), each.node),
      each.node === nodes.node ? make("small", {}, " this one") : null,
      each.problem ? make("span", { class: "told" }, each.problem) : null),
    cell("state", each.since ? `${state} since ${clock(each.since)} (${duration(now - each.since)})` : state, look === "failing" ? "warn" : ""),
    cell("version", each.version),
    cell("shards", each.shards),
    cell("streams", each.streams),
    cell("last hour", passed),
    cell("waiting", each.waiting || "", each.waiting ? "warn" : ""),
    cell("outbox", kept),
    cell("crossing", each.crossing || ""));
}
