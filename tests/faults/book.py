"""The book in which every numbered stanza has its line: what it was, and each end that it came to.

A stanza comes to exactly one end. Messages, and presence that may be answered: it is delivered, or its sender gets an
error. Requests: their sender gets one answer. Errors, results and presence that must not be answered: delivered, or
dropped by that rule.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random

KINDS = (
    ("message", "chat"),
    ("message", "normal"),
    ("message", "headline"),
    ("message", "error"),
    ("presence", ""),
    ("presence", "unavailable"),
    ("presence", "subscribe"),
    ("iq", "get"),
    ("iq", "set"),
)
_NOT_ANSWERED = {("message", "error"), ("presence", ""), ("presence", "unavailable")}


@dataclass
class Line:
    """One stanza."""

    name: str
    type: str
    delivered: int = 0
    errors: int = 0
    results: int = 0

    @property
    def is_request(self) -> bool:
        return self.name == "iq"

    @property
    def may_be_dropped(self) -> bool:
        """Whether nobody is told when it cannot be delivered (RFC 6120 §8.3.1)."""
        return (self.name, self.type) in _NOT_ANSWERED

    @property
    def ends(self) -> int:
        """To how many ends it came."""
        return self.results + self.errors if self.is_request else self.delivered + self.errors


@dataclass
class Book:
    """All stanzas of one direction."""

    sender: str
    target: str
    lines: dict[str, Line] = field(default_factory=dict)

    def stanza(self, number: int, random: Random) -> bytes:
        """The next stanza, any kind of it, and its line."""
        name, kind = KINDS[number % len(KINDS)]
        id_ = f"{self.sender.partition('.')[0]}-{number}"
        self.lines[id_] = Line(name, kind)
        type_ = f" type='{kind}'" if kind else ""
        payload = "x" * random.randrange(20, 400)
        inside = f"<q xmlns='urn:example'>{payload}</q>" if name == "iq" else f"<body>{payload}</body>"
        return f"<{name} from='s@{self.sender}' to='t@{self.target}' id='{id_}'{type_}>{inside}</{name}>".encode()

    # -- what the components hear ------------------------------------------------------------------------------------

    def target_heard(self, name: str, kind: str, id_: str, sender: str) -> None:
        """The target component got a stanza."""
        if id_ in self.lines:
            self.lines[id_].delivered += 1

    def sender_heard(self, name: str, kind: str, id_: str, sender: str) -> None:
        """The sending component got an error or a result."""
        if id_ in self.lines:
            if kind == "error":
                self.lines[id_].errors += 1
            elif kind == "result":
                self.lines[id_].results += 1

    # -- the account -------------------------------------------------------------------------------------------------

    @property
    def open(self) -> list[str]:
        """What has come to no end, and must."""
        return [id_ for id_, line in self.lines.items() if not line.ends and not line.may_be_dropped]

    @property
    def dropped(self) -> list[str]:
        """What has come to no end, and need not."""
        return [id_ for id_, line in self.lines.items() if not line.ends and line.may_be_dropped]

    @property
    def lost(self) -> int:
        """How many stanzas were not delivered, and no error came."""
        return sum(1 for line in self.lines.values() if not line.delivered and not line.errors)

    @property
    def silent(self) -> int:
        """How many stanzas have no end that anybody has heard of."""
        return len(self.open) + len(self.dropped)

    @property
    def delivered(self) -> int:
        """How many deliveries there were."""
        return sum(line.delivered for line in self.lines.values())

    @property
    def twice(self) -> list[str]:
        """What was delivered more than once."""
        return [id_ for id_, line in self.lines.items() if line.delivered > 1]

    @property
    def both(self) -> list[str]:
        """What was delivered, and an error came to its sender all the same (not for requests: they are answered)."""
        return [id_ for id_, line in self.lines.items() if line.delivered and line.errors and not line.is_request]

    @property
    def answered_twice(self) -> list[str]:
        """Requests that got more than one answer."""
        return [id_ for id_, line in self.lines.items() if line.is_request and line.ends > 1]

    def summary(self) -> str:
        """The account in one line."""
        delivered = sum(1 for line in self.lines.values() if line.delivered)
        errors = sum(1 for line in self.lines.values() if line.errors)
        kinds = Counter(self.lines[id_].name for id_ in self.open)
        silent = f"{self.silent} without any end {dict(kinds)}"
        twice = f"{len(self.twice)} twice, {len(self.both)} delivered and refused, {len(self.answered_twice)} answered"
        sent = f"{self.sender} to {self.target}: {len(self.lines)} sent"
        return f"{sent}, {delivered} delivered, {errors} errors, {silent}, {twice} twice"
