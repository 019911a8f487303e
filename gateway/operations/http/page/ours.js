// Our own domains: what serves them, and how long their certificates last.

import { make } from "./dom.js";
import { nodesCard } from "./nodes.js";
import { pages, troubles } from "./overview.js";

export function oursPage({ head, nodes, ours }, query, to) {
  if (!head || !ours) return [];
  return [
    troubles(head),
    nodesCard(nodes, head, query, to),
    make("section", { class: "card", "aria-labelledby": "ours-title", "data-key": "ours" },
      make("h1", { id: "ours-title" }, query.search ? `Our domains with “${query.search}”` : "Our domains"),
      make("table", { class: "ours" },
        make("thead", {}, make("tr", {}, ...["domain", "served as", "", "certificate", "until", "names"].map((name) => make("th", { scope: "col" }, name)))),
        make("tbody", {}, ...ours.rows.map(row))),
      ours.rows.length ? null : make("p", { class: "quiet none" }, "No domain matches."),
      pages(ours, to)),
    make("section", { class: "card", "aria-labelledby": "doors-title", "data-key": "doors" },
      make("h2", { id: "doors-title" }, "Open ports"),
      make("ul", { class: "plain" }, ...head.doors.map((each) => make("li", {}, make("code", {}, each))))),
  ];
}

function row(each) {
  const days = each.days_left;
  return make("tr", { class: each.up ? "" : "failing", "data-key": each.domain },
    make("td", {}, make("a", { href: `#/${encodeURIComponent(each.domain)}`, class: "domain" }, make("i", { class: `mark ${each.up ? "connected" : "failing"}`, "aria-hidden": "true" }), each.domain)),
    make("td", { "data-name": "served as" }, each.serve),
    make("td", {}, each.at ? toldAt(each) : each.told),
    make("td", { "data-name": "certificate", class: days !== null && days < 14 ? "warn" : "" }, days === null ? "none" : days < 0 ? "expired" : `${Math.floor(days)} days`),
    make("td", { "data-name": "until" }, each.not_after ?? ""),
    make("td", { "data-name": "names", class: "quiet" }, each.names ?? ""));
}

/** What each node says about a domain, with the node's name. */
function toldAt(each) {
  const named = Object.entries(each.at), more = each.nodes - named.length;
  return [...named.map(([node, told]) => make("p", {}, make("b", {}, `${node}: `), told)), more > 0 ? make("p", { class: "quiet" }, `and ${more} more`) : null];
}
