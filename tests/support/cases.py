"""Rows of feature tests: what a feature gets under which facts, what it sends and says, and what comes then.

A row is tried on the feature alone, which is stateless; `then` is what it wants next, or the condition of the stream
error that it raises.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from gateway.stream.events import Event, Order
from gateway.stream.facts import Facts
from gateway.stream.header import declared_prefixes
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import SERVER
from tests.support.steps import element


@dataclass(frozen=True)
class Case:
    """One row. `gets` is an element as text, an answer to a question, or `Offered(...)` for stream features."""

    name: str
    feature: StreamFeature[Any]
    facts: Facts
    gets: object
    sends: str = ""
    says: tuple[Event | Order, ...] = ()
    then: Then | StreamCondition | None = Then.AWAIT  # None: the feature passes it over
    learns: dict[str, Any] = field(default_factory=dict)  # the facts that differ afterwards

    def check(self) -> None:
        """Try the row."""
        if isinstance(self.then, StreamCondition):
            with pytest.raises(StreamError) as raised:
                self._step()
            assert raised.value.condition is self.then
            return
        step = self._step()
        if step is None:
            assert self.then is None
            return
        sent = b"".join(
            out.serialize(SERVER, declared_prefixes(SERVER)) for out in step.outputs if type(out) is Element
        )
        assert (step.then, sent.decode()) == (self.then, self.sends)
        assert tuple(out for out in step.outputs if type(out) is not Element) == self.says
        assert self._learned(step.facts) == self.learns

    def _step(self) -> Step | None:
        if isinstance(self.gets, Offered):
            return self.feature.begin(self.facts, element(f"<stream:features>{self.gets.text}</stream:features>"))
        if isinstance(self.gets, str):
            return self.feature.receive(self.facts, element(self.gets))
        return self.feature.answered(self.facts, self.gets)

    def _learned(self, after: Facts) -> dict[str, Any]:
        return {
            name: getattr(after, name)
            for name in self.facts.__dataclass_fields__
            if getattr(after, name) != getattr(self.facts, name)
        }


@dataclass(frozen=True)
class Offered:
    """The stream features of the other side, as text."""

    text: str = ""


@dataclass(frozen=True)
class Offer:
    """What a feature advertises under some facts; empty where it does not apply."""

    name: str
    feature: StreamFeature[Any]
    facts: Facts
    offers: str = ""

    def check(self) -> None:
        """Try the row."""
        offered = self.feature.offer(self.facts)
        assert (offered.serialize(SERVER).decode() if offered is not None else "") == self.offers


def named(cases: list[Any]) -> dict[str, Any]:
    """For `pytest.mark.parametrize`: cases, each known by its name."""
    return {"argvalues": cases, "ids": [case.name for case in cases]}
