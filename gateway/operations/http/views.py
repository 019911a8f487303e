"""Views: what the page shows, each part as one event. A view is named by its query, as its address names it.

    overview   the last hour or day, other domains in some order, the map, failures by domain
    domain     one domain: state, rules, streams, routes, attempts
    ours       our own domains and their certificates

Every view begins with `head`, the numbers of everything. Of a list one page is shown; the numbers are of all of it.
One of several nodes shows them all, each named, or the one that the query chooses, and `nodes` with a row for each.
Text from peers is made harmless before it leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from heapq import nsmallest
from typing import Any, Protocol

from gateway.cluster.names import NODE_NAME
from gateway.filters.lists import ListState
from gateway.notices.attempts.records import Attempt, Kind
from gateway.operations.control.door import CommandRefused
from gateway.operations.control.operator import Operator, shown
from gateway.operations.history import History
from gateway.operations.http.limits import (
    MOST_ATTEMPTS,
    MOST_GROUPS,
    MOST_LISTS,
    MOST_OUTBOX_EVENTS,
    MOST_PAGES,
    MOST_STREAMS,
    MOST_TROUBLES,
    ON_THE_MAP,
    OURS,
    OURS_ON_THE_MAP,
    ROWS,
    WORST_ON_THE_MAP,
)
from gateway.operations.http.merging import Events, joined, named, page_of
from gateway.operations.http.nodes import OtherNodes
from gateway.operations.minutes import DAY_MINUTES, HOUR_MINUTES, Minutes, Series
from gateway.operations.outbox_events import OutboxEvent
from gateway.operations.peers import OtherDomains, PeerOrder, PeerState
from gateway.operations.status import StatusReader
from gateway.operations.status_records import DomainStatus, PeerStatus
from gateway.operations.troubles import Trouble

OWN_SECONDS = 5.0
SAME_SECONDS = 0.5
"""What was read this short a time ago is not read again for another view."""
_MOST_PAGE = 10_000
_MOST_WORDS = 100
_MOST_TOLD = 160  # characters of a reason in a row of a table


@dataclass(frozen=True, kw_only=True)
class ViewQuery:
    """Which view, and which part of it; hashable, so that those who look at the same share what is read."""

    view: str = "overview"
    domain: str = ""
    search: str = ""
    state: str = ""
    order: PeerOrder = PeerOrder.TROUBLE
    page: int = 1
    by_day: bool = False
    node: str = ""  # of which to show the view; empty: all

    @classmethod
    def read(cls, words: Mapping[str, str]) -> ViewQuery:
        """Return the query that an address names; what it does not understand is as if it were not there."""
        word = {name: value[:_MOST_WORDS] for name, value in words.items()}
        order, page = word.get("order", ""), word.get("page", "")
        state, view = word.get("state", ""), word.get("view", "")
        return cls(
            view=view if view in ("domain", "ours") else "overview",
            domain=words.get("domain", "")[:255],
            search=word.get("search", "").strip().lower(),
            state=state if state in list(PeerState) else "",
            order=PeerOrder(order) if order in list(PeerOrder) else PeerOrder.TROUBLE,
            page=max(1, min(int(page), _MOST_PAGE)) if page.isascii() and page.isdigit() and len(page) < 7 else 1,
            by_day=word.get("range") == "day",
            node=node if NODE_NAME.fullmatch(node := word.get("node", "")) else "",
        )

    @property
    def words(self) -> dict[str, str]:
        """Return the address that names this query."""
        words = {"view": self.view, "domain": self.domain, "search": self.search, "state": self.state}
        words |= {"order": str(self.order), "page": str(self.page), "node": self.node}
        return {**words, "range": "day"} if self.by_day else words


class Viewed(Protocol):
    """What of the running gateway is looked at."""

    @property
    def status(self) -> StatusReader: ...
    @property
    def history(self) -> History: ...


class Views:
    """Makes the events of each view."""

    def __init__(
        self,
        viewed: Viewed,
        operator: Operator,
        minutes: Minutes,
        troubles: Callable[[], Sequence[Trouble]],
        waiting: Callable[[], Mapping[str, int]],
        seconds: Callable[[], float],
        withheld: Callable[[], int],
        outbox_events: Callable[[int], Sequence[OutboxEvent]],
        lists: Callable[[], Sequence[ListState]],
        nodes: OtherNodes | None = None,
    ) -> None:
        """`withheld` returns how many stanzas filters hold back; `outbox_events` the latest, at most that many.

        `nodes` has what the other nodes show; without it this gateway is alone.
        """
        self._viewed = viewed
        self._troubles = troubles
        self._waiting = waiting
        self._operator = operator
        self._minutes = minutes
        self._seconds = seconds
        self._withheld = withheld
        self._outbox_events = outbox_events
        self._lists = lists
        self._nodes = nodes
        self._others: tuple[float, OtherDomains] | None = None
        self._waited: tuple[float, Mapping[str, int]] | None = None
        self._own_then: tuple[float, list[DomainStatus]] | None = None
        self._moved: dict[str, int] = {}  # bytes of the domains on the map, at the last look

    def events(self, query: ViewQuery) -> Events:
        """Return everything that a page with this address shows."""
        nodes = self._nodes
        if nodes is None:
            return self._own_events(query)
        if query.node and query.node != nodes.name:
            others = nodes.view(query, query.words, query.order, query.node)
            return {"head": self._head(), **others, "nodes": nodes.table(self.brief())}
        if query.node:
            return {**self._own_events(query), "nodes": nodes.table(self.brief())}
        query = replace(query, page=min(query.page, MOST_PAGES))
        others, own = nodes.view(query, query.words, query.order), named(nodes.name, self._own_events(query))
        together = joined(own, others, query.order)
        return {**page_of(together, query.page), "nodes": nodes.table(self.brief())}

    def part(self, words: Mapping[str, str]) -> Events:
        """Return this node's part of what a page of another node shows."""
        return self._own_events(ViewQuery.read(words))

    def _own_events(self, query: ViewQuery) -> Events:
        make = {"domain": self._domain, "ours": self._ours}.get(query.view, self._overview)
        return {"head": self._head(), **make(query)}

    def _rows(self, query: ViewQuery, size: int) -> tuple[int, int]:
        """Return the first row of a list that is needed, and how many: for a list of all nodes, from the beginning."""
        is_of_all = self._nodes is not None and not query.node
        return (0, min(query.page, MOST_PAGES) * size) if is_of_all else ((query.page - 1) * size, size)

    def brief(self) -> dict[str, Any]:
        """Return what one line about this node needs; the stanzas are those of the last hour."""
        status, peers = self._viewed.status, self._peers()
        outbox = status.outbox()
        return {
            "started": status.about()["started"],
            "streams": status.stream_count(),
            "stanzas_in": sum(self._minutes.day(Series.IN, HOUR_MINUTES)),
            "stanzas_out": sum(self._minutes.day(Series.OUT, HOUR_MINUTES)),
            "failing": peers.counts[PeerState.FAILING],
            "waiting": peers.waiting,
            "kept": outbox.stanzas if outbox is not None else 0,
            "oldest": outbox.oldest_seconds if outbox is not None else 0,
            "troubles": [each.sentence for each in self._troubles()[:MOST_TROUBLES]],
        }

    def forget(self) -> None:
        """Read the other domains again at the next look, however soon that is."""
        self._others = None

    def _peers(self) -> OtherDomains:
        """Return the other domains as they are now, for all who look at that moment."""
        now = self._seconds()
        if self._others is None or now - self._others[0] >= SAME_SECONDS:
            if self._waited is None or now - self._waited[0] >= OWN_SECONDS:
                self._waited = (now, self._waiting())
            self._others = (now, self._viewed.status.peers(self._waited[1]))
        return self._others[1]

    def _head(self) -> dict[str, Any]:
        status, peers = self._viewed.status, self._peers()
        troubles = [asdict(each) for each in self._troubles()]
        return {
            **status.about(),
            "troubles": shown(troubles[:MOST_TROUBLES]),
            "trouble_count": len(troubles),
            "peers": peers.counts,
            "peer_count": len(peers),
            "waiting": peers.waiting,
        }

    # -- all other domains -------------------------------------------------------------------------------------------

    def _overview(self, query: ViewQuery) -> Events:
        return {
            "strip": self._strip(query),
            "peers": self._page_of_peers(query),
            "map": self._map(),
            "failures": self._failures(),
            "outbox": self._outbox(),
        }

    def _outbox(self) -> dict[str, Any]:
        """Return what waits on the disk, how the rest ended, what filters hold back, and their lists."""
        figures = self._viewed.status.outbox()
        return {
            "figures": shown(asdict(figures)) if figures is not None else None,
            "withheld": self._withheld(),
            "lists": [shown(asdict(each)) for each in self._lists()[:MOST_LISTS]],
            "events": [shown(each._asdict()) for each in self._outbox_events(MOST_OUTBOX_EVENTS)],
        }

    def _strip(self, query: ViewQuery) -> dict[str, list[int]]:
        length, step = (DAY_MINUTES, 10) if query.by_day else (HOUR_MINUTES, 1)
        return {series: self._minutes.day(series, length, step) for series in Series}

    def _page_of_peers(self, query: ViewQuery) -> dict[str, Any]:
        start, count = self._rows(query, ROWS)
        total, rows = self._peers().choose(start, count, order=query.order, search=query.search, state=query.state)
        return _paged(query, total, ROWS, [_row(each) for each in rows])

    def _map(self) -> dict[str, Any]:
        peers = self._peers()
        chosen = peers.telling(WORST_ON_THE_MAP, ON_THE_MAP)
        rest = peers.counts[PeerState.FAILING] - sum(each.state == PeerState.FAILING for each in chosen)
        own = self._own()
        first = nsmallest(OURS_ON_THE_MAP, range(len(own)), key=lambda at: (own[at].up, at))
        down = sum(not each.up for each in own) - sum(not own[at].up for at in first)
        before, self._moved = self._moved, {each.domain: peers.traffic_with(each.domain) for each in chosen}
        return {
            "peers": [self._node(each, before) for each in chosen],
            "more": len(peers) - len(chosen),
            "more_failing": rest,
            "ours": [shown(_own_node(own[at])) for at in sorted(first)],
            "ours_more": len(own) - len(first),
            "ours_down": down,
        }

    def _own(self) -> list[DomainStatus]:
        """Return our own domains as they were some seconds ago at most: many, and seldom otherwise."""
        now = self._seconds()
        if self._own_then is None or now - self._own_then[0] >= OWN_SECONDS:
            self._own_then = (now, list(self._viewed.status.own_domains()))
        return self._own_then[1]

    def _node(self, peer: PeerStatus, before: Mapping[str, int]) -> dict[str, Any]:
        carried = self._moved[peer.domain]
        return {
            "domain": shown(peer.domain),
            "state": peer.state,
            "verdict": peer.verdict,
            "they_to_us": peer.they_to_us,
            "tls": peer.tls,
            "streams_in": peer.streams_in,
            "streams_out": peer.streams_out,
            "queued": peer.queued,
            "bytes": sum(peer.hour),
            "moving": peer.domain in before and carried != before[peer.domain],
        }

    def _failures(self) -> dict[str, Any]:
        """Return the latest failures by domain: how many, from when to when, and what happened last."""
        groups: dict[str, list[Attempt]] = {}
        for attempt in self._viewed.history.failures():
            groups.setdefault(_whose(attempt), []).append(attempt)
        found = [shown(_group(domain, attempts)) for domain, attempts in list(groups.items())[:MOST_GROUPS]]
        return {"groups": found, "more": len(groups) - len(found)}

    # -- one domain --------------------------------------------------------------------------------------------------

    def _domain(self, query: ViewQuery) -> Events:
        try:
            explained = self._operator.explain(query.domain)
        except CommandRefused as refusal:
            return {"domain": {"domain": query.domain, "problem": shown(str(refusal)), "ours": [], "peer": None}}
        name = explained["domain"]
        streams, attempts = explained["streams"], explained["attempts"]
        routes = [vars(each) for each in self._viewed.status.queues(target=name)]
        return {
            "domain": shown(
                {key: explained[key] for key in ("ours", "rules", "filters", "keys", "peer")}
                | {"domain": query.domain, "name": name}
            ),
            "streams": {"rows": shown(streams[-MOST_STREAMS:]), "more": max(0, len(streams) - MOST_STREAMS)},
            "queues": shown(routes[:MOST_STREAMS]),
            "attempts": {
                "domain": shown(name),
                "records": shown(attempts[:MOST_ATTEMPTS]),
                "more": max(0, len(attempts) - MOST_ATTEMPTS),
            },
        }

    # -- our own domains ---------------------------------------------------------------------------------------------

    def _ours(self, query: ViewQuery) -> Events:
        certificates = {each.domain: each for each in self._viewed.status.certificates()}

        def trouble(domain: DomainStatus) -> tuple[bool, float]:
            certificate = certificates.get(domain.domain)
            return domain.up, certificate.days_left if certificate is not None else float("inf")

        own = [each for each in self._own() if query.search in each.domain]
        start, count = self._rows(query, OURS)
        chosen = sorted(own, key=trouble)[start : start + count]
        rows = []
        for each in chosen:
            certificate = certificates.get(each.domain)
            more: dict[str, Any] = {"days_left": None, "not_after": None, "names": None}
            if certificate is not None:
                more = {
                    "days_left": certificate.days_left,
                    "not_after": certificate.not_after,
                    "names": certificate.names[:_MOST_WORDS],
                }
            rows.append(shown(vars(each) | more))
        return {"ours": _paged(query, len(own), OURS, rows)}


def _paged(query: ViewQuery, total: int, size: int, rows: Sequence[Any]) -> dict[str, Any]:
    return {"total": total, "page": query.page, "pages": -(-total // size), "size": size, "rows": rows}


def _row(peer: PeerStatus) -> dict[str, Any]:
    """Return what a row of the table has of a domain; what passed nothing has no hour."""
    told = {"told": peer.told[:_MOST_TOLD], "certificate_fault": peer.certificate_fault[:_MOST_TOLD]}
    found: dict[str, Any] = shown(vars(peer) | told)
    return found | {"hour": list(peer.hour) if any(peer.hour) else []}


def _own_node(domain: DomainStatus) -> dict[str, Any]:
    return {"domain": domain.domain, "serve": domain.serve, "up": domain.up, "told": domain.told[:_MOST_WORDS]}


def _whose(attempt: Attempt) -> str:
    return attempt.remote if attempt.kind in (Kind.SERVER, Kind.KEYS) else attempt.local


def _group(domain: str, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """Return the failures of one domain, of which the latest comes first."""
    return {
        "domain": domain,
        "count": len(attempts),
        "first": attempts[-1].began,
        "last": attempts[0].began,
        "verdict": attempts[0].outcome,
        "what": attempts[0].what_happened[:_MOST_TOLD],
    }
