"""Feature 3.6-1: a stream error is sent, then the closing tag, then TCP closes, for every condition that can arise
(RFC 6120 §4.9.1, §4.9.3).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.routing.policy import DomainRule, Domains, OutsidePolicy
from gateway.stream.events import CloseTransport
from gateway.stream.facts import Role, Terms
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.talk import IN_CLEAR, OURS, Talk, header, message, proved, talk, under_tls

ERRORS = "urn:ietf:params:xml:ns:xmpp-streams"
DOOR = OutsidePolicy(Domains({OURS: DomainRule()}), lambda domain: None if domain == "banned.test" else Terms())


def knock(**said: str | None) -> Talk:
    return talk(accept=DOOR.accept).hear(header(**said))  # type: ignore[arg-type]


NO_MEANS = replace(IN_CLEAR, means=())
RESET = f"<reset xmlns='{ERRORS}'/>"

ARISING: dict[StreamCondition, Callable[[], Talk]] = {
    StreamCondition.BAD_FORMAT: lambda: proved().hear("text"),
    StreamCondition.BAD_NAMESPACE_PREFIX: lambda: talk().hear("<stream xmlns='http://etherx.jabber.org/streams'>"),
    StreamCondition.HOST_UNKNOWN: lambda: knock(to="strange.test"),
    StreamCondition.IMPROPER_ADDRESSING: lambda: knock(to=None),
    StreamCondition.INVALID_FROM: lambda: knock(from_="ours.test"),
    StreamCondition.INVALID_NAMESPACE: lambda: knock(namespace="jabber:client"),
    StreamCondition.NOT_AUTHORIZED: lambda: under_tls().hear(header(), message()),
    StreamCondition.NOT_WELL_FORMED: lambda: proved().hear("<a></b>"),
    StreamCondition.POLICY_VIOLATION: lambda: knock(from_="banned.test"),
    StreamCondition.RESTRICTED_XML: lambda: proved().hear("<!-- -->"),
    StreamCondition.UNDEFINED_CONDITION: lambda: talk(Role.INITIATING).open().hear(
        header(), "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
    ),
    StreamCondition.UNSUPPORTED_ENCODING: lambda: talk().hear("<?xml version='1.0' encoding='ISO-8859-1'?>"),
    StreamCondition.UNSUPPORTED_FEATURE: lambda: under_tls(Role.INITIATING, terms=NO_MEANS).open().hear(
        header(id_="1"), "<stream:features/>"
    ),
    StreamCondition.UNSUPPORTED_STANZA_TYPE: lambda: proved().hear("<unknown/>"),
    StreamCondition.UNSUPPORTED_VERSION: lambda: knock(version="one"),
}  # fmt: skip
# What only the owner of a stream finds out: limits, time, other streams, the end of the process.
OWNERS = set(StreamCondition) - set(ARISING)


@pytest.mark.parametrize("condition", StreamCondition)
def test_error_then_closing_tag_then_tcp(condition: StreamCondition) -> None:
    if condition in ARISING:
        talking = ARISING[condition]()
    else:
        talking = proved().close(StreamError(condition, "because"))
    assert talking.error == condition
    sent = talking.sent.decode()
    assert sent.count("<stream:error>") == 1
    assert f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>" in sent
    assert sent.endswith("</stream:error></stream:stream>")
    assert len([word for word in talking.said if isinstance(word, CloseTransport)]) == 1
    assert not talking.stream.is_open


@pytest.mark.parametrize("condition", ARISING)
def test_nothing_more_is_sent(condition: StreamCondition) -> None:
    talking = ARISING[condition]().forget()
    assert talking.hear(message(), "<unknown/>", "</stream:stream>").close().sent == b""


def test_their_errors_are_read() -> None:
    for condition in StreamCondition:
        (received,) = (
            proved()
            .hear(f"<stream:error><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
            .events
        )
        assert received.condition is condition  # type: ignore[attr-defined]


@pytest.mark.parametrize("inside", ["", "<x xmlns='y'/>", f"<xml-not-well-formed xmlns='{ERRORS}'/>"])
def test_unknown_ones_are_undefined(inside: str) -> None:
    (received,) = proved().hear(f"<stream:error>{inside}</stream:error>").events
    assert received.condition is StreamCondition.UNDEFINED_CONDITION  # type: ignore[attr-defined]


def test_their_error_is_not_answered_by_one() -> None:
    talking = proved().hear(
        "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
    )
    assert talking.sent == b"</stream:stream>"
    assert talking.error is None
