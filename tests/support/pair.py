"""Two Streams and a wire: what one sends the other receives, whole or byte by byte, with TLS played by its orders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from gateway.stream.budget import Budget
from gateway.stream.events import CloseTransport, Secured, SecureTransport, Send
from gateway.stream.facts import Facts, Means, TLSFacts
from gateway.stream.header import StreamHeader
from gateway.stream.profiles import Profile
from gateway.stream.stream import Output, Stream
from gateway.stream.tools import StreamTools
from gateway.xmpp.addresses import AddressCache, Domain


def tools() -> StreamTools:
    """Tools with predictable stream ids."""
    numbers = count(1)
    return StreamTools(addresses=AddressCache(), new_id=lambda: f"id-{next(numbers)}")


def accept_anything(header: StreamHeader, facts: Facts) -> Facts:
    """A door that asks nothing and believes the header."""
    from dataclasses import replace

    return replace(facts, local=facts.local or header.to_domain, remote=facts.remote or header.from_domain)


@dataclass(frozen=True)
class Certificate:
    """A verdict as the judge would give it."""

    names: frozenset[str] = frozenset()
    problem: str = ""
    people: frozenset[str] = frozenset()

    @property
    def valid(self) -> bool:
        return not self.problem

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        return self.valid and domain in self.names and means is Means.EXTERNAL

    def why_not(self, domain: Domain, means: Sequence[Means] = ()) -> str:
        return "" if self.proves(domain) else self.problem or f"not for {domain}"

    def accounts(self, domain: Domain) -> frozenset[str]:
        mine = (account for account in self.people if account.endswith(f"@{domain}"))
        return frozenset(mine) if self.valid else frozenset()


@dataclass
class End:
    """One stream of the pair, with what it said and what of it was written."""

    stream: Stream
    certificate: Certificate | None = None  # the one that the other side sees
    outputs: list[Output] = field(default_factory=list)
    written: list[bytes] = field(default_factory=list)
    wants_tls: bool = False
    closing: bool = False
    answers: dict[type, Callable[[Any], object]] = field(default_factory=dict)  # to orders that are questions
    asked: list[Output] = field(default_factory=list)


class Pair:
    """An initiating and a receiving stream, connected; `bytewise` cuts everything into single bytes."""

    def __init__(self, initiating: End, receiving: End, *, bytewise: bool = False) -> None:
        self.initiating = initiating
        self.receiving = receiving
        self._bytewise = bytewise

    def start(self) -> None:
        """Send the first header, and let both talk until neither has anything more to say."""
        self.took(self.initiating, self.initiating.stream.open())
        self.settle()

    def took(self, end: End, outputs: list[Output]) -> None:
        """Carry out what a stream ordered."""
        for output in outputs:
            if isinstance(output, Send):
                end.written.append(output.data)
                end.unsent = getattr(end, "unsent", b"") + output.data  # type: ignore[attr-defined]
            else:
                end.outputs.append(output)
            if isinstance(output, SecureTransport):
                end.wants_tls = True
            if type(output) in end.answers:
                end.asked.append(output)
            if isinstance(output, CloseTransport):
                end.closing = True

    def settle(self) -> None:
        """Move bytes until there are none."""
        moved = True
        while moved:
            moved = self._move(self.initiating, self.receiving) or self._move(self.receiving, self.initiating)
            moved = self._answer(self.initiating) or self._answer(self.receiving) or moved
            if not moved and self.initiating.wants_tls and self.receiving.wants_tls:
                moved = True
                for end, other in ((self.receiving, self.initiating), (self.initiating, self.receiving)):
                    end.wants_tls = False
                    tls = TLSFacts(version="TLSv1.3", channel_bindings={"tls-exporter": b"of this connection"})
                    secured = Secured(tls=tls, certificate=other.certificate)
                    self.took(end, end.stream.answer(secured))

    def _answer(self, end: End) -> bool:
        asked, end.asked = end.asked, []
        for question in asked:
            self.took(end, end.stream.answer(end.answers[type(question)](question)))
        return bool(asked)

    def _move(self, source: End, target: End) -> bool:
        data = getattr(source, "unsent", b"")
        if not data:
            return False
        source.unsent = b""  # type: ignore[attr-defined]
        for piece in [data[i : i + 1] for i in range(len(data))] if self._bytewise else [data]:
            self.took(target, target.stream.received(piece))
        return True


def make_stream(profile: Profile, facts: Facts, accept=accept_anything, budget: Budget | None = None) -> Stream:
    """A stream with test tools."""
    return Stream(profile, facts, accept, tools(), budget or Budget())
