"""Nodes on the page: a row for each, and what the others show of the view that somebody looks at.

Nothing is asked while nobody looks, and a look never waits: it gets what has been answered so far, and begins the next
round of questions when that is due. A round ends as soon as all nodes have answered, after ANSWER_SECONDS at the
latest. A node that has not answered by then is shown as silent, and what it had shown before is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from gateway.bounds.tables import Bounded
from gateway.operations.control.cluster import AskingMember
from gateway.operations.control.operator import shown
from gateway.operations.http.limits import MOST_NODES
from gateway.operations.http.merging import Events, joined, named
from gateway.operations.peers import PeerOrder

ROUND_SECONDS = 2.0
"""The least time between two rounds of questions for the same view."""
ANSWER_SECONDS = 2.0
STALE_SECONDS = 10.0
"""Answers that are older than this count as none: nobody has looked since."""
MOST_VIEWS = 50
"""The most views of which the other nodes' part is kept; the one that was kept first makes room."""
_FIGURES = ("streams", "stanzas_in", "stanzas_out", "waiting", "kept", "oldest", "failing")
_MOST_SAID = 3  # troubles of a node that are named in its row
_MOST_LETTERS = 200


class AskedNodes(AskingMember, Protocol):
    """The nodes, as far as the page is concerned."""

    def nodes(self) -> list[dict[str, Any]]:
        """Return what this node knows of each node."""


class _Round:
    """The answers to one question; those of the last round stay until the present one is over."""

    def __init__(self) -> None:
        self.due = float("-inf")
        self.is_under_way = False
        self.joined: Events = {}


class OtherNodes:
    """What the page shows of the other nodes."""

    def __init__(
        self,
        asked: AskedNodes,
        seconds: Callable[[], float],
        time_of_day: Callable[[], float],
    ) -> None:
        """`seconds` is the clock of timers, `time_of_day` that of timestamps."""
        self.name = asked.name
        self._asked = asked
        self._seconds = seconds
        self._time_of_day = time_of_day
        self._views: Bounded[Hashable, _Round] = Bounded(MOST_VIEWS)
        self._briefs = _Round()
        self._told: dict[str, Mapping[str, Any]] = {}  # the last brief of each node
        self._heard: dict[str, float] = {}  # when each answered last, or was first asked; seconds since 1970
        self._silent: dict[str, str] = {}  # why the last brief of a node is missing
        self._missing: dict[str, str] = {}  # why its part of a view is missing

    def view(self, key: Hashable, words: Mapping[str, str], order: PeerOrder, node: str = "") -> Events:
        """Return what the others show of a view, joined, or what one `node` does; empty before the first answers.

        `key` stands for the view, `words` are its address.
        """
        view = self._views.get(key)
        if view is None:
            view = _Round()
            self._views.put(key, view)
        if self._is_due(view):
            found: list[Events] = []

            def take(name: str, events: Mapping[str, Any]) -> None:
                part = dict(events) if node else named(name, events)
                found[:] = [joined(found[0], part, order) if found else part]
                self._missing.pop(name, None)

            def end() -> None:
                view.joined = found[0] if found else {}

            names = [node] if node else self._asked.names()
            self._ask(view, names, "view", words, take, self._missing).addCallback(lambda _: end())
        return view.joined

    def table(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return the rows of the nodes and their number by state; if there are too many, those with something wrong.

        `own` is what this node answers to `brief`.
        """
        if self._is_due(self._briefs):
            asked = self._ask(self._briefs, self._asked.names(), "brief", {}, self._take_brief, self._silent)
            asked.addCallback(lambda _: self._forget())
        rows = [self._row(each, own) for each in self._asked.nodes()]
        if len(rows) > MOST_NODES:
            rows.sort(key=lambda row: (row["state"] == "up", not row["problem"]))
        return {
            "node": self.name,
            "total": len(rows),
            "states": Counter(row["state"] for row in rows),
            "rows": sorted(rows[:MOST_NODES], key=lambda row: str(row["node"])),
        }

    # -- asking ------------------------------------------------------------------------------------------------------

    def _is_due(self, round_: _Round) -> bool:
        """Return whether to begin a round; forget answers that are from an earlier time."""
        now = self._seconds()
        if round_.is_under_way or now < round_.due:
            return False
        if now >= round_.due + STALE_SECONDS:
            round_.joined = {}
            if round_ is self._briefs:
                for table in (self._told, self._heard, self._silent, self._missing):
                    table.clear()
        round_.is_under_way, round_.due = True, now + ROUND_SECONDS
        return True

    def _ask(
        self,
        round_: _Round,
        names: list[str],
        command: str,
        words: Mapping[str, str],
        take: Callable[[str, Mapping[str, Any]], None],
        problems: dict[str, str],
    ) -> Deferred[None]:
        """Ask these nodes; return the end of the round. `problems` gets the reason of each that has not answered."""

        def not_answered(failure: Failure, name: str) -> None:
            problems[name] = failure.getErrorMessage()[:_MOST_LETTERS] or "its answer cannot be read"

        def ask(name: str) -> Deferred[Any]:
            self._heard.setdefault(name, self._time_of_day())
            asked = self._asked.ask_for(name, command, words, ANSWER_SECONDS)
            return asked.addCallback(lambda answer: take(name, answer)).addErrback(not_answered, name)

        def over(_: object) -> None:
            round_.is_under_way = False

        return DeferredList([ask(name) for name in names]).addCallback(over)

    def _take_brief(self, name: str, answer: Mapping[str, Any]) -> None:
        self._told[name] = dict(answer)
        self._heard[name] = self._time_of_day()
        self._silent.pop(name, None)

    def _forget(self) -> None:
        """Forget the nodes that nobody knows any longer."""
        known = {each["node"] for each in self._asked.nodes()}
        for table in (self._told, self._heard, self._silent, self._missing):
            for name in table.keys() - known:
                table.pop(name)

    # -- rows --------------------------------------------------------------------------------------------------------

    def _row(self, node: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
        name = node["node"]
        told = own if name == self.name else self._told.get(name, {}) if node["live"] else {}
        state, since, wrong = str(node["standing"]), told.get("started"), _troubles(told)
        if not node["live"]:
            state, since = "gone", self._time_of_day() - node["unseen"]
        elif name in self._silent:
            state, since, wrong = "silent", self._heard.get(name), self._silent[name]
        elif name in self._missing:
            wrong = f"its part of what is shown here is missing: {self._missing[name]}"
        return dict(
            shown(
                {
                    "node": name,
                    "state": state,
                    "since": since,
                    "problem": wrong,
                    **{known: node[known] for known in ("version", "shards", "crossing")},
                    **{figure: told.get(figure) for figure in _FIGURES},
                }
            )
        )


def _troubles(told: Mapping[str, Any]) -> str:
    """Return what does not work at a node, in one sentence."""
    troubles = [str(each)[:_MOST_LETTERS] for each in told.get("troubles", ())]
    more = [f"and {len(troubles) - _MOST_SAID} more"] if len(troubles) > _MOST_SAID else []
    return "; ".join([*troubles[:_MOST_SAID], *more])
