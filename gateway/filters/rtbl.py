"""Real-time block lists: subscribed to at a publish-subscribe service (XEP-0060), so that a list is current by itself.

    stage         begins                 ends with                                  then
    ASLEEP        start, a failure       its time (doubling, one hour at most)      SUBSCRIBING
    SUBSCRIBING   -                      result; anything else is a failure         LOADING
    LOADING       -                      the last page; anything but items fails    CURRENT
    CURRENT       -                      a day; the service was out of reach        SUBSCRIBING

The list is read page by page (XEP-0059), if the service does that; what changes meanwhile is worked into the pages.
Only updates from the service itself count, and only from the address that was subscribed to. The known entries stay in
use in every stage. A list that grows suddenly is not believed at once: beyond 1,000 in an hour, new entries wait until
the operator has examined them and reloads the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from itertools import islice
from random import Random

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.filters.lists import MOST_ENTRIES, NamedList, read_entry
from gateway.filters.questions import Ask
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.namespaces import PUBSUB, PUBSUB_EVENT, RESULT_SETS, STANZA_ERRORS
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

ANSWER_SECONDS = 60.0
REFRESH_SECONDS = 86400.0
FIRST_SLEEP, LONGEST_SLEEP = 60.0, 3600.0
MOST_NEW_AN_HOUR = 1000
PAGE = 1000
"""The entries asked for in one request: their answer fits into a stanza that every server accepts."""


class Stage(Enum):
    """The state of the subscription."""

    ASLEEP = "asleep"
    SUBSCRIBING = "subscribing"
    LOADING = "loading"
    CURRENT = "current"


class BlockListSubscription:
    """The subscription that keeps one list current."""

    def __init__(
        self,
        named: NamedList,
        *,
        service: Domain,
        node: str,
        ours: Address,
        ask: Ask,
        clock: IReactorTime,
        time_of_day: Callable[[], float],
        random: Random,
        changed: Callable[[BlockListSubscription], None],
    ) -> None:
        """`changed` is called when entries were added or removed."""
        self.named = named
        self.service = service
        self.node = node
        self.stage = Stage.ASLEEP
        self.waiting: set[str] = set()  # new entries that an operator must look at first
        self._pages: set[str] = set()  # the entries of the pages that have come
        self._ours = ours
        self._ask = ask
        self._clock = clock
        self._time_of_day = time_of_day
        self._random = random
        self._changed = changed
        self._timer: IDelayedCall | None = None
        self._turn = 0  # answers out of turn are ignored
        self._failures = 0
        self._hour = (clock.seconds(), 0)  # the start of the hour, and the number of new entries in it

    def start(self, soon: float = 0.0) -> None:
        """Start after this many seconds."""
        self._enter(Stage.ASLEEP, soon, self._subscribe)

    def stop(self) -> None:
        """Stop asking."""
        self._turn += 1
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def reached_again(self) -> None:
        """Subscribe again, because the service was out of reach for a while and updates were missed."""
        if self.stage is not Stage.SUBSCRIBING and self.stage is not Stage.LOADING:
            self.start(self._random.uniform(1, 30))

    def accept(self) -> None:
        """Take the entries that wait, because the operator has examined them."""
        for entry in islice(self.waiting, max(0, MOST_ENTRIES - len(self.named.entries))):
            self.named.entries.add(entry)
        if self.waiting:
            self.waiting = set()
            self._say_current()
            self._changed(self)

    def take(self, stanza: AddressedStanza) -> bool:
        """Return whether a stanza is the service's answer or update; if so, apply it."""
        if stanza.name != "message" or stanza.to != self._ours or stanza.from_ is None:
            return False
        if stanza.from_.full != self.service or stanza.type == "error":
            return False
        event = stanza.element.first(PUBSUB_EVENT, "event")
        if event is None:
            return False
        for items in event.elements(PUBSUB_EVENT, "items"):
            if items.get("node") == self.node:
                gone = [item.get("id") or "" for item in items.elements(PUBSUB_EVENT, "retract")]
                new = [item.get("id") or "" for item in items.elements(PUBSUB_EVENT, "item")]
                self._update(new, gone)
                if self.stage is Stage.LOADING:
                    self._pages.difference_update(_entries(gone))
                    _add_bounded(self._pages, _entries(new))
        for word in ("purge", "delete"):
            for each in event.elements(PUBSUB_EVENT, word):
                if each.get("node") == self.node:
                    self._update([], list(self.named.entries))
                    self._pages.clear()
        return True

    # -- the stages --------------------------------------------------------------------------------------------------

    def _enter(self, stage: Stage, seconds: float, then: Callable[[], None]) -> None:
        self.stop()
        self.stage = stage
        self._timer = self._clock.callLater(seconds, then)

    def _subscribe(self) -> None:
        self._enter(Stage.SUBSCRIBING, ANSWER_SECONDS, self._not_answered)
        wish = Element(PUBSUB, "subscribe", {"node": self.node, "jid": self._ours.full})
        self._request("set", wish, self._subscribed)

    def _subscribed(self, _: Element) -> None:
        self._pages = set()
        self._load(after="")

    def _load(self, after: str) -> None:
        self._enter(Stage.LOADING, ANSWER_SECONDS, self._not_answered)
        place = [Element(RESULT_SETS, "after", {}, [after])] if after else []
        page = Element(RESULT_SETS, "set", {}, [Element(RESULT_SETS, "max", {}, [str(PAGE)]), *place])
        self._request("get", Element(PUBSUB, "items", {"node": self.node}), self._loaded, page)

    def _loaded(self, answer: Element) -> None:
        pubsub = answer.first(PUBSUB, "pubsub")
        items = pubsub.first(PUBSUB, "items") if pubsub is not None else None
        told = [item.get("id") or "" for item in items.elements(PUBSUB, "item")] if items is not None else []
        page = set(_entries(told))
        is_news = not page <= self._pages
        self._pages |= page
        following = _place_of_next(pubsub)
        if following and is_news and len(self._pages) <= MOST_ENTRIES:  # a service cannot keep us asking for ever
            self._load(after=following)
            return
        self._failures = 0
        self._enter(Stage.CURRENT, REFRESH_SECONDS, self._subscribe)
        self.named.since = self._time_of_day()
        wanted, self._pages = self._pages, set()
        self._say_current()
        self._update(wanted, [each for each in self.named.entries if each not in wanted], as_a_whole=True)

    def _request(self, type_: str, wish: Element, then: Callable[[Element], None], *more: Element) -> None:
        turn = self._turn
        attributes = {"type": type_, "id": f"list-{turn}", "from": self._ours.full, "to": self.service}
        request = Element(CONTENT, "iq", attributes, [Element(PUBSUB, "pubsub", {}, [wish, *more])])

        def answered(response: AddressedStanza) -> None:
            if turn != self._turn:
                return
            if response.type == "result":
                then(response.element)
            else:
                self._failed(f"refuses: {_condition(response.element)}")

        self._ask(AddressedStanza.from_element(request), answered)

    def _not_answered(self) -> None:
        self._failed(f"has not answered within {ANSWER_SECONDS:g} s")

    def _failed(self, problem: str) -> None:
        sleep = min(FIRST_SLEEP * 2.0**self._failures, LONGEST_SLEEP)
        self._failures = min(self._failures + 1, 10)
        known = f"{len(self.named.entries)} earlier entries are used" if len(self.named.entries) else "it is empty"
        self.named.state, self.named.is_well = f"{self.service} {problem}; {known}", False
        self._enter(Stage.ASLEEP, sleep * self._random.uniform(0.75, 1.25), self._subscribe)

    # -- entries -----------------------------------------------------------------------------------------------------

    def _update(self, new: Iterable[str], gone: Iterable[str], *, as_a_whole: bool = False) -> None:
        entries, had_waiting = self.named.entries, bool(self.waiting)
        removed = [each for each in _entries(gone) if each in entries]
        for entry in removed:
            entries.remove(entry)
        added = [each for each in _entries(new) if each not in entries]
        if as_a_whole:
            self.waiting.clear()
        self.waiting -= set(_entries(gone))
        taken = added[: self._allowance(len(added), is_first=as_a_whole and not len(entries) and not removed)]
        for entry in taken:
            entries.add(entry)
        self.waiting.difference_update(taken)
        _add_bounded(self.waiting, added[len(taken) :])
        if self.waiting:
            text = f"grows too fast: {len(self.waiting)} new entries wait until you have looked and reload"
            self.named.state, self.named.is_well = text, False
        elif had_waiting:
            self._say_current()
        if taken or removed:
            self._changed(self)

    def _allowance(self, wanted: int, *, is_first: bool) -> int:
        """Return how many new entries are accepted now; the first load is accepted as it is."""
        room = MOST_ENTRIES - len(self.named.entries)
        if is_first:
            return min(wanted, room)
        now = self._clock.seconds()
        began, count = self._hour
        if now - began >= 3600:
            began, count = now, 0
        taken = max(0, min(wanted, MOST_NEW_AN_HOUR - count, room))
        self._hour = (began, count + taken)
        return taken

    def _say_current(self) -> None:
        self.named.state, self.named.is_well = "ready", True


def _add_bounded(entries: set[str], new: Iterable[str]) -> None:
    """Add entries until there are as many as a list may have; the rest is left out."""
    for entry in new:
        if len(entries) >= MOST_ENTRIES:
            return
        entries.add(entry)


def _entries(told: Iterable[str]) -> Iterable[str]:
    """Yield the texts that can be entries; a service may send anything."""
    for text in told:
        try:
            yield read_entry(text)
        except MalformedAddress:
            continue


def _place_of_next(pubsub: Element | None) -> str:
    """Return the place behind a page from which to go on (XEP-0059 §2.2); empty if the page is the last one."""
    told = pubsub.first(RESULT_SETS, "set") if pubsub is not None else None
    last = told.first(RESULT_SETS, "last") if told is not None else None
    return last.text if last is not None else ""


def _condition(answer: Element) -> str:
    error = answer.first(CONTENT, "error")
    found = next(error.elements(STANZA_ERRORS), None) if error is not None else None
    return found.name if found is not None else "it names no condition"
