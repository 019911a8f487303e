"""The book in which every numbered stanza has its line: what it was, and each end that it came to.

A stanza comes to exactly one end. What may be answered: it is delivered, or its sender gets an error. Requests: their
sender gets one answer. What must not be answered (errors, results, some presence): delivered, or dropped by that rule,
and then a gateway names it in its log, as it names the answer that it drops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from random import Random

KINDS = (
    *(("message", type_) for type_ in ("", "normal", "chat", "groupchat", "headline", "error")),
    *(("presence", type_) for type_ in ("", "unavailable", "probe", "error")),
    *(("presence", type_) for type_ in ("subscribe", "subscribed", "unsubscribe", "unsubscribed")),
    *(("iq", type_) for type_ in ("get", "set", "result", "error")),
)
ANSWERED = tuple(
    each for each in KINDS if each[1] not in ("error", "unavailable", "probe", "result") and each != ("presence", "")
)  # what must be answered if it is not delivered (RFC 6120 §8.3.1)
KEPT = tuple(("message", type_) for type_ in ("", "normal", "chat"))  # what an outbox keeps, each of them
_DIRECTION = {"subscribe": "asks", "unsubscribe": "asks", "subscribed": "answers", "unsubscribed": "answers"}
_NOT_ANSWERED = {("presence", ""), ("presence", "unavailable"), ("presence", "probe"), ("iq", "result")}
_ERROR = (
    "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>{}</text></error>"
)
FILLER = "~"  # occurs nowhere else


@dataclass(frozen=True)
class Heard:
    """A stanza that a component has got; `filler` says how much of its payload is there."""

    name: str
    type: str
    id: str
    filler: int


@dataclass
class Line:
    """One stanza."""

    number: int
    name: str
    type: str
    filler: int
    delivered: int = 0
    errors: int = 0
    results: int = 0

    @property
    def is_request(self) -> bool:
        return self.name == "iq" and self.type in ("get", "set")

    @property
    def may_be_dropped(self) -> bool:
        """Return whether nobody is told when it cannot be delivered (RFC 6120 §8.3.1)."""
        return self.type == "error" or (self.name, self.type) in _NOT_ANSWERED

    @property
    def ends(self) -> int:
        """To how many ends it came."""
        return self.results + self.errors if self.is_request else self.delivered + self.errors


@dataclass
class Book:
    """All stanzas of one direction."""

    sender: str
    target: str
    kinds: Sequence[tuple[str, str]] = KINDS
    people: int = 1  # who send, each in their own order
    is_kept: bool = False  # on the way, so that newer subscription presence may take the place of older
    lines: dict[str, Line] = field(default_factory=dict)
    garbled: list[str] = field(default_factory=list)  # not as they were sent
    overtaken: list[str] = field(default_factory=list)  # delivered after one that was sent later
    _last: dict[int, int] = field(default_factory=dict)

    def stanza(self, number: int, random: Random) -> bytes:
        """The next stanza, any kind of it, and its line."""
        name, kind = self.kinds[number % len(self.kinds)]
        id_ = f"{self.sender}-{number}"
        filler = _size(random)
        self.lines[id_] = Line(number, name, kind, filler)
        type_ = f" type='{kind}'" if kind else ""
        inside = _payload(name, kind).format(FILLER * filler)
        who = f"s{number % self.people}" if self.people > 1 else "s"
        return f"<{name} from='{who}@{self.sender}' to='t@{self.target}' id='{id_}'{type_}>{inside}</{name}>".encode()

    # -- what the components hear ------------------------------------------------------------------------------------

    def target_heard(self, heard: Heard) -> None:
        """The target component got a stanza."""
        line = self.lines.get(heard.id)
        if line is None or (line.name, line.type) != (heard.name, heard.type):
            return  # an error that some server sends on its own account: Prosody answers even results
        line.delivered += 1
        if heard.filler != line.filler:
            self.garbled.append(heard.id)
        if self.is_kept and line.type in _DIRECTION:
            return  # the newest goes behind everything
        who = line.number % self.people
        if line.number < self._last.get(who, -1):
            self.overtaken.append(heard.id)
        self._last[who] = line.number

    def sender_heard(self, heard: Heard) -> None:
        """The sending component got an error or a result."""
        line = self.lines.get(heard.id)
        if line is not None and heard.type == "error":
            line.errors += 1
        elif line is not None and heard.type == "result":
            line.results += 1

    # -- the account -------------------------------------------------------------------------------------------------

    @property
    def open(self) -> list[str]:
        """Return the stanzas that must have an end and have none."""
        return [id_ for id_, line in self.lines.items() if not line.ends and not line.may_be_dropped]

    def unaccounted(self, dropped: Collection[str] = ()) -> list[str]:
        """Return the stanzas of which neither the sender, the recipient nor the log knows an end."""
        ended = {*dropped, *(self.replaced if self.is_kept else ())}
        return [id_ for id_, line in self.lines.items() if not line.ends and id_ not in ended]

    @property
    def replaced(self) -> set[str]:
        """The subscription presence without an end, where a newer one of the same people and direction has one."""
        about = {
            id_: (line.number % self.people, _DIRECTION[line.type])
            for id_, line in self.lines.items()
            if line.name == "presence" and line.type in _DIRECTION
        }
        newest: dict[tuple[int, str], int] = {}
        for id_, key in about.items():
            if self.lines[id_].ends:
                newest[key] = self.lines[id_].number
        return {
            id_
            for id_, key in about.items()
            if not self.lines[id_].ends and self.lines[id_].number < newest.get(key, -1)
        }

    def lost(self, dropped: Collection[str] = ()) -> list[str]:
        """Return the stanzas that were not delivered, answered with an error, or named as dropped."""
        ended = ((id_, line.delivered or line.errors or id_ in dropped) for id_, line in self.lines.items())
        return [id_ for id_, has_ended in ended if not has_ended]

    @property
    def delivered(self) -> int:
        """Return how many deliveries there were."""
        return sum(line.delivered for line in self.lines.values())

    @property
    def doubles(self) -> int:
        """Return how many deliveries were one too many."""
        return sum(line.delivered - 1 for line in self.lines.values() if line.delivered)

    @property
    def twice(self) -> list[str]:
        """Return what was delivered more than once."""
        return [id_ for id_, line in self.lines.items() if line.delivered > 1]

    def both(self, dropped: Collection[str] = ()) -> list[str]:
        """Return the stanzas that were delivered and had another end as well (requests excepted: they are answered)."""
        lines = ((id_, line) for id_, line in self.lines.items() if line.delivered and not line.is_request)
        return [id_ for id_, line in lines if line.errors or id_ in dropped]

    @property
    def answered_twice(self) -> list[str]:
        """Return the requests that got more than one answer."""
        return [id_ for id_, line in self.lines.items() if line.results + line.errors > 1]

    def summary(self, dropped: Collection[str] = ()) -> str:
        """The account in one line."""
        delivered = sum(1 for line in self.lines.values() if line.delivered)
        errors = sum(1 for line in self.lines.values() if line.errors)
        missing = self.unaccounted(dropped)
        kinds = dict(Counter(self.lines[id_].name for id_ in missing))
        by_rule = sum(1 for id_, line in self.lines.items() if not line.ends and id_ in dropped)
        return (
            f"{self.sender} to {self.target}: {len(self.lines)} sent, {delivered} delivered, {errors} errors, "
            f"{by_rule} dropped by rule, {len(missing)} without any end {kinds or ''}; {len(self.twice)} twice, "
            f"{len(self.both(dropped))} to two ends, {len(self.answered_twice)} answered twice, "
            f"{len(self.garbled)} garbled, {len(self.overtaken)} overtaken"
        )


def _size(random: Random) -> int:
    """Most stanzas are small, some have kilobytes, a few tens of them."""
    return random.choices(
        (random.randrange(20, 400), random.randrange(400, 4000), random.randrange(4000, 40000)), (90, 8, 2)
    )[0]


def _payload(name: str, kind: str) -> str:
    if kind == "error":
        return _ERROR
    return {"message": "<body>{}</body>", "presence": "<status>{}</status>", "iq": "<q xmlns='urn:example'>{}</q>"}[
        name
    ]
