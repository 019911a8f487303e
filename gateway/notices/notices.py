"""Notices: records of what happened, the only source of log, metrics and status page.

Logic publishes facts from a fixed vocabulary and does not know its readers. A notice has a level and a sentence, which
is made only when somebody asks for it. Stanzas are reported by the batch, because there are thousands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.bounds.tables import family
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import Stanza


class Level(StrEnum):
    """The importance of a notice, by the names of twisted.logger."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


class Notice:
    """A record that something happened."""

    @property
    def level(self) -> Level:
        """The importance of this notice; most kinds have a fixed level, as an attribute of the class."""
        return Level.INFO

    @property
    def sentence(self) -> str:
        """The notice in plain words, one line."""
        raise NotImplementedError

    @property
    def cause(self) -> str:
        """The IP address or domain that can cause any number of these; empty if none can.

        It is computed only when the notice is logged or shown.
        """
        return ""


@dataclass(frozen=True, kw_only=True)
class DomainNotice(Notice):
    """A record of what another domain can cause, any number of times."""

    domain: str

    @property
    def cause(self) -> str:
        return family(self.domain)


@dataclass(frozen=True, kw_only=True)
class WeightedNotice(Notice):
    """A record whose publisher says how important it is."""

    weight: Level = Level.INFO

    @property
    def level(self) -> Level:
        return self.weight


Publish = Callable[[Notice], None]


class Board:
    """The board on which notices are published and passed to every observer."""

    def __init__(self) -> None:
        self._observers: list[tuple[Publish, tuple[type[Notice], ...]]] = []
        self._of_kind: dict[type[Notice], tuple[Publish, ...]] = {}  # filled when a kind is first published

    def subscribe(self, observer: Publish, *kinds: type[Notice]) -> Callable[[], None]:
        """Pass all further notices, or only those of some kinds, to `observer`; return a function that ends this."""
        entry = (observer, kinds)
        self._observers.append(entry)
        self._of_kind.clear()

        def end() -> None:
            self._observers.remove(entry)
            self._of_kind.clear()

        return end

    def publish(self, notice: Notice) -> None:
        """Call every observer of that kind, in the order in which they subscribed."""
        kind = type(notice)
        observers = self._of_kind.get(kind)
        if observers is None:
            wanted = (observer for observer, kinds in self._observers if not kinds or issubclass(kind, kinds))
            observers = self._of_kind[kind] = tuple(wanted)
        for observer in observers:
            observer(notice)


def counted(number: int, what: str) -> str:
    """Return a number with its noun: `no streams`, `1 stream`, `2 streams`."""
    return f"{number or 'no'} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Remark(WeightedNotice):
    """A sentence about the service as a whole: start-up, configuration, shutdown."""

    text: str

    @property
    def sentence(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class StanzasPassed(Notice):
    """A batch was read from one stream, or written to one; `via` is the kind of stream, `size` is in bytes.

    A subscriber that needs the stanzas reads them while the notice is published, and keeps none.
    """

    came_in: bool
    via: str
    source: str
    target: str
    stanzas: Sequence[Stanza]
    size: int

    level = Level.DEBUG

    @property
    def sentence(self) -> str:
        way = "came in from" if self.came_in else "went out from"
        return f"{counted(len(self.stanzas), 'stanza')} ({self.size} bytes) {way} {self.source} to {self.target}"


@dataclass(frozen=True, kw_only=True)
class StanzaBounced(Notice):
    """A stanza could not be delivered; its sender got an error, if the rules allow one.

    `condition` is the condition of that error, or the name of the rule that forbids an answer (see `faults`).
    """

    name: str
    id: str | None
    sender: str
    target: str
    condition: str
    reason: str
    answered: bool

    level = Level.DEBUG

    @property
    def sentence(self) -> str:
        end = "was answered with" if self.answered else "was dropped without an error:"
        which = f"{self.name} '{self.id}'" if self.id is not None else f"{self.name} without id"
        return f"{which} from {self.sender} to {self.target} {end} {self.condition}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class LoopLag(Notice):
    """The delay with which the event loop ran a timer, in seconds."""

    seconds: float

    level = Level.DEBUG

    @property
    def sentence(self) -> str:
        return f"the event loop runs {self.seconds * 1000:.1f} ms late"


@dataclass(frozen=True, kw_only=True)
class ServiceBlocked(Notice):
    """A service in Python held up the event loop, and with it every stream, for this many seconds with one stanza."""

    domain: str
    service: str
    name: str  # of the stanza
    seconds: float
    place: str = ""  # file, line, function and code, if it could be found out

    level = Level.WARN

    @property
    def sentence(self) -> str:
        place = f", and was at {self.place};" if self.place else ":"
        return (
            f"{self.service} of {self.domain} blocked the whole gateway for {self.seconds * 1000:.0f} ms with one"
            f" stanza ({self.name}){place} it should do such work in a thread"
        )

    @property
    def cause(self) -> str:
        return self.domain


@dataclass(frozen=True, kw_only=True)
class MaybeLost(DomainNotice):
    """Stanzas were written to a connection that was not closed properly, and may not have arrived.

    The first of them was written `seconds` before the end, for which `reason` is given.
    """

    count: int
    seconds: float
    reason: str

    level = Level.WARN

    @property
    def sentence(self) -> str:
        return (
            f"up to {counted(self.count, 'stanza')} may not have arrived at {self.domain}: they were written within"
            f" {self.seconds:.1f} s before the end of a connection that the other side did not close ({self.reason})"
        )


@dataclass(frozen=True, kw_only=True)
class TakenForDelivered(DomainNotice):
    """Kept stanzas count as delivered without a proof: they were written long ago, and the connection is still up."""

    count: int

    level = Level.WARN

    @property
    def sentence(self) -> str:
        return (
            f"{counted(self.count, 'stanza')} that waited for {self.domain} were written, and count as delivered"
            " without proof, because it does not answer pings (XEP-0199)"
        )


@dataclass(frozen=True, kw_only=True)
class TooMuch(DomainNotice):
    """More is sent to a domain than may wait for it: from now on stanzas are answered with an error."""

    why: str

    level = Level.WARN

    @property
    def sentence(self) -> str:
        return f"stanzas for {self.domain} are answered with resource-constraint: {self.why}"


@dataclass(frozen=True, kw_only=True)
class OutboxChanged(Notice):
    """The condition of the outbox changed; logged once for each change."""

    word: str
    text: str
    detail: str
    remedy: str
    is_well: bool

    @property
    def level(self) -> Level:
        return Level.INFO if self.is_well else Level.ERROR

    @property
    def sentence(self) -> str:
        if self.is_well:
            return self.text
        detail = f" ({self.detail})" if self.detail else ""
        return (
            f"{self.text}{detail}: {self.remedy}. Meanwhile stanzas wait only in memory, or are answered with"
            " resource-constraint where older ones are kept; the gateway tries again at least every 30 seconds"
        )


@dataclass(frozen=True, kw_only=True)
class SentAgain(DomainNotice):
    """Stanzas were not acknowledged when a connection broke, and are sent again."""

    count: int

    @property
    def sentence(self) -> str:
        return f"the connection to {self.domain} broke: {self.count} unacknowledged stanzas are sent again"


@dataclass(frozen=True, kw_only=True)
class ClusterChanged(WeightedNotice):
    """A node came or went, or this node's place among the others has changed."""

    node: str  # this one
    text: str

    @property
    def sentence(self) -> str:
        return f"cluster: {self.text}"


@dataclass(frozen=True, kw_only=True)
class ComponentChanged(WeightedNotice):
    """An external component was attached, detached or refused."""

    domain: Domain
    text: str

    @property
    def cause(self) -> str:
        return self.domain

    @property
    def sentence(self) -> str:
        return f"component {self.domain}: {self.text}"
