"""Merging: what several nodes show of one view, as one view.

Every node gives its own events, bounded as on its own page. `named` puts the node's name into each row, `joined` makes
one of two, within the same bounds. So the answers of any number of nodes are taken in one by one, and never kept.
A domain with which two nodes have streams has a row of each, and numbers are sums over the nodes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from gateway.operations.http.limits import (
    MOST_AT,
    MOST_ATTEMPTS,
    MOST_GROUPS,
    MOST_HELD,
    MOST_LISTS,
    MOST_OUTBOX_EVENTS,
    MOST_PAGES,
    MOST_STREAMS,
    MOST_TROUBLES,
    ON_THE_MAP,
    OURS_ON_THE_MAP,
)
from gateway.operations.peers import PeerOrder, PeerState

Events = dict[str, Any]
"""The data of each event by its name."""

_Read = Mapping[str, Any]
_EventRows = list[dict[str, Any]]
_ROWS_OF = {
    "head": "troubles",
    "peers": "rows",
    "failures": "groups",
    "outbox": "events",
    "streams": "rows",
    "attempts": "records",
}
_PLACE_OF_STATE = {str(state): place for place, state in enumerate(PeerState)}
_CONNECTED = _PLACE_OF_STATE[PeerState.CONNECTED]


def named(node: str, events: _Read) -> Events:
    """Return the events of a node, with its name in every row."""
    found = dict(events)
    for event, rows in _ROWS_OF.items():
        if event in found:
            found[event] = {**found[event], rows: _with(node, found[event][rows])}
    if "queues" in found:
        found["queues"] = _with(node, found["queues"])
    if "ours" in found:
        rows_of_ours = [{**row, "at": {node: row["told"]}, "nodes": 1} for row in found["ours"]["rows"]]
        found["ours"] = {**found["ours"], "rows": rows_of_ours}
    if "outbox" in found:
        outbox, figures = found["outbox"], found["outbox"]["figures"]
        lists = [{**each, "name": f"{each['name']} ({node})"} for each in outbox["lists"]]
        if figures is not None and figures["condition"] != "ready":
            figures = {**figures, "condition": f"{node}: {figures['condition']}"}
        found["outbox"] = {**outbox, "lists": lists, "figures": figures}
    return found


def joined(one: _Read, other: _Read, order: PeerOrder) -> Events:
    """Return the events of both; of other domains, the first in that order."""
    found = {**other, **one}
    for event in one.keys() & other.keys():
        if event == "peers":
            found[event] = _peers(one[event], other[event], order)
        elif event in _JOINS:
            found[event] = _JOINS[event](one[event], other[event])
    return found


def page_of(events: Events, page: int) -> Events:
    """Return the events with one page of each list, instead of everything up to there."""
    for event in ("peers", "ours"):
        if event in events:
            each, size = events[event], events[event]["size"]
            pages = -(-each["total"] // size)
            shown = {"page": page, "pages": min(pages, MOST_PAGES), "is_cut": pages > MOST_PAGES}
            events[event] = {**each, **shown, "rows": each["rows"][(page - 1) * size : page * size]}
    return events


def _with(node: str, rows: Iterable[_Read]) -> _EventRows:
    return [{**row, "node": node} for row in rows]


def _state(row: _Read) -> int:
    """Return the place of a row's state; one that only another version knows comes last."""
    return _PLACE_OF_STATE.get(row["state"], len(_PLACE_OF_STATE))


# -- all other domains -----------------------------------------------------------------------------------------------


def _head(one: _Read, other: _Read) -> Events:
    return {
        **one,
        "troubles": [*one["troubles"], *other["troubles"]][:MOST_TROUBLES],
        "peers": Counter(one["peers"]) + Counter(other["peers"]),
        **{count: one[count] + other[count] for count in ("trouble_count", "peer_count", "waiting")},
    }


def _strip(one: Mapping[str, Sequence[int]], other: Mapping[str, Sequence[int]]) -> Events:
    """Add the numbers of each minute; the last ones are of now, and a node that started later has fewer."""
    found: Events = {}
    for series in one.keys() & other.keys():
        pairs = zip_longest(reversed(one[series]), reversed(other[series]), fillvalue=0)
        found[series] = [sum(pair) for pair in pairs][::-1]
    return found


def _peers(one: _Read, other: _Read, order: PeerOrder) -> Events:
    rows = sorted([*one["rows"], *other["rows"]], key=_ORDERS[order])
    return {**one, "total": one["total"] + other["total"], "rows": rows[: one["page"] * one["size"]]}


def _by_trouble(row: _Read) -> tuple[Any, ...]:
    """Return the place of a row, in the order of `OtherDomains`."""
    state = _state(row)
    weight = row["queued"] if state < _CONNECTED else sum(row["hour"]) if state == _CONNECTED else 0
    return state, -weight, row["domain"], row["node"]


_ORDERS: Mapping[PeerOrder, Callable[[_Read], tuple[Any, ...]]] = {
    PeerOrder.TROUBLE: _by_trouble,
    PeerOrder.NAME: lambda row: (row["domain"], row["node"]),
    PeerOrder.WAITING: lambda row: (-row["queued"], *_by_trouble(row)),
    PeerOrder.TRAFFIC: lambda row: (-sum(row["hour"]), row["domain"], row["node"]),
}


def _map(one: _Read, other: _Read) -> Events:
    """Put two maps together: a domain on both is drawn once, in the worse state, with the streams of both."""
    theirs = _by_domain(one["peers"], other["peers"], _same_peer)
    theirs.sort(key=lambda each: (_state(each) >= _CONNECTED, -each["queued"], -each["bytes"], each["domain"]))
    left = theirs[ON_THE_MAP:]
    failing = sum(each["state"] == PeerState.FAILING for each in left)
    return {
        "peers": theirs[:ON_THE_MAP],
        "more": one["more"] + other["more"] + len(left),
        "more_failing": one["more_failing"] + other["more_failing"] + failing,
        "ours": _by_domain(one["ours"], other["ours"], _up_somewhere)[:OURS_ON_THE_MAP],
        "ours_more": max(one["ours_more"], other["ours_more"]),
        "ours_down": min(one["ours_down"], other["ours_down"]),
    }


def _by_domain(
    one: _EventRows, other: _EventRows, same: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
) -> _EventRows:
    found = {each["domain"]: each for each in one}
    for each in other:
        known = found.get(each["domain"])
        found[each["domain"]] = each if known is None else same(known, each)
    return list(found.values())


def _same_peer(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    worse, better = sorted((one, other), key=_state)
    counts = {name: one[name] + other[name] for name in ("streams_in", "streams_out", "queued", "bytes")}
    with_streams = worse if worse["streams_in"] + worse["streams_out"] else better
    proofs = {name: with_streams[name] for name in ("they_to_us", "tls")}
    return {**worse, **counts, **proofs, "moving": one["moving"] or other["moving"]}


def _up_somewhere(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return other if other["up"] and not one["up"] else one


def _failures(one: _Read, other: _Read) -> Events:
    groups = sorted([*one["groups"], *other["groups"]], key=lambda each: -each["last"])
    more = one["more"] + other["more"] + len(groups[MOST_GROUPS:])
    return {"groups": groups[:MOST_GROUPS], "more": more}


def _outbox(one: _Read, other: _Read) -> Events:
    figures = [each["figures"] for each in (one, other) if each["figures"] is not None]
    events = sorted([*one["events"], *other["events"]], key=lambda each: -each["time"])
    return {
        "figures": _figures(*figures) if len(figures) > 1 else next(iter(figures), None),
        "withheld": one["withheld"] + other["withheld"],
        "lists": [*one["lists"], *other["lists"]][:MOST_LISTS],
        "events": events[:MOST_OUTBOX_EVENTS],
    }


def _figures(one: _Read, other: _Read) -> Events:
    counts: Counter[str] = Counter(one["counts"])
    counts.update(other["counts"])
    return {
        "stanzas": one["stanzas"] + other["stanzas"],
        "bytes": one["bytes"] + other["bytes"],
        "condition": one["condition"] if one["condition"] != "ready" else other["condition"],
        "oldest_seconds": max(one["oldest_seconds"], other["oldest_seconds"]),
        "held": sorted({*one["held"], *other["held"]})[:MOST_HELD],
        "counts": counts,
    }


# -- our own domains -------------------------------------------------------------------------------------------------


def _ours(one: _Read, other: _Read) -> Events:
    rows = _by_domain(one["rows"], other["rows"], _same_of_ours)
    rows.sort(key=lambda row: (row["up"], _days(row)))
    total = max(one["total"], other["total"])  # all nodes serve the same domains
    return {**one, "total": total, "rows": rows[: one["page"] * one["size"]]}


def _same_of_ours(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Put two rows of one domain together: it is up if it is up at a node; its certificate is the first to expire."""
    at = dict(sorted({**one["at"], **other["at"]}.items())[:MOST_AT])
    together = {"up": one["up"] or other["up"], "at": at, "nodes": one["nodes"] + other["nodes"]}
    return min(one, other, key=_days) | together


def _days(row: _Read) -> float:
    return float("inf") if row["days_left"] is None else row["days_left"]


# -- one domain ------------------------------------------------------------------------------------------------------


def _domain(one: _Read, other: _Read) -> _Read:
    """Return the facts from the node that has the domain in the worst state."""
    known = [each for each in (one, other) if each["peer"] is not None]
    return min(known, key=lambda each: _state(each["peer"]), default=one)


def _streams(one: _Read, other: _Read) -> Events:
    rows = [*one["rows"], *other["rows"]]
    return {"rows": rows[:MOST_STREAMS], "more": one["more"] + other["more"] + len(rows[MOST_STREAMS:])}


def _attempts(one: _Read, other: _Read) -> Events:
    records = sorted([*one["records"], *other["records"]], key=lambda each: -each["began"])
    more = one["more"] + other["more"] + len(records[MOST_ATTEMPTS:])
    return {**one, "records": records[:MOST_ATTEMPTS], "more": more}


def _queues(one: _EventRows, other: _EventRows) -> _EventRows:
    return [*one, *other][:MOST_STREAMS]


_JOINS: Mapping[str, Callable[[Any, Any], Any]] = {
    "head": _head,
    "strip": _strip,
    "map": _map,
    "failures": _failures,
    "outbox": _outbox,
    "ours": _ours,
    "domain": _domain,
    "streams": _streams,
    "queues": _queues,
    "attempts": _attempts,
}
