"""Feature 3.2-6: streams of servers have `jabber:server` as their content (RFC 6120 §4.8.2)."""

from __future__ import annotations

from tests.support.talk import header, message, proved, under_tls


def test_servers_are_answered_in_their_namespace() -> None:
    assert b"<stream:stream xmlns='jabber:server' " in under_tls().hear(header()).sent


def test_stanzas_of_servers_are_taken() -> None:
    assert proved().hear(message()).events == [message().encode()]


def test_the_namespace_may_be_named_again() -> None:
    again = message().replace("<message", "<message xmlns='jabber:server'")
    assert proved().hear(again).events == [message().encode()]


def test_the_namespace_of_clients_is_refused_there() -> None:
    assert under_tls().hear(header(namespace="jabber:client")).error == "invalid-namespace"


def test_a_stanza_of_the_namespace_of_clients_is_taken_for_one() -> None:
    foreign = message().replace("<message", "<message xmlns='jabber:client'")
    assert proved().hear(foreign).events == [message().encode()]


def test_a_stanza_of_any_other_namespace_is_none() -> None:
    foreign = message().replace("<message", "<message xmlns='jabber:component:accept'")
    assert proved().hear(foreign).error == "unsupported-stanza-type"
