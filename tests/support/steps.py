"""What features answer with, as tests compare it: the elements that go out, and the names of everything else."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from gateway.stream.facts import Facts, Role, ServerFacts, TLSFacts
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element, parse_element
from gateway.xmpp.errors import SaslFailure, StreamError
from gateway.xmpp.namespaces import DIALBACK, STREAMS

OURS, THEIRS = Domain("ours.test"), Domain("theirs.test")
UNDER_TLS = TLSFacts(version="TLSv1.3", channel_bindings={"tls-exporter": b"exported"})

_ROOT = f"<root xmlns:stream='{STREAMS}' xmlns:db='{DIALBACK}'>"


def element(text: str) -> Element:
    """An element as it would come on a stream."""
    return parse_element(text.encode(), _ROOT.encode())


def facts(role: Role = Role.RECEIVING, kind: type[Facts] = ServerFacts, **known: Any) -> Any:
    """Facts of a stream between OURS and THEIRS, under TLS."""
    return replace(kind(role=role, local=OURS, remote=THEIRS, tls=UNDER_TLS, stream_id="id-1"), **known)


@dataclass(frozen=True)
class Outcome:
    """A step in words: elements in angle brackets, everything else by its class, and what comes then."""

    outputs: tuple[str, ...]
    then: Then


def outcome(step: Step) -> Outcome:
    """Return what a step amounts to."""
    return Outcome(tuple(map(_word, step.outputs)), step.then)


def received(feature: StreamFeature, facts: Facts, text: str) -> Outcome | str:
    """Return the step of a feature for an element, in words, or the condition of the stream error that it raises."""
    try:
        return outcome(feature.receive(facts, element(text)))
    except StreamError as error:
        return str(error.condition)


def _word(output: Any) -> str:
    if not isinstance(output, Element):
        return type(output).__name__
    inside = next((child for child in output.children if isinstance(child, Element)), None)
    told = f" {inside.name}" if inside is not None else f" {output.text}" if output.text else ""
    return f"<{output.name}{told}>"


def refusal(failure: SaslFailure | None) -> str | None:
    """A refusal by its condition."""
    return None if failure is None else str(failure.condition)
