"""Feature 3.2-5: streams of clients have `jabber:client` as their content (RFC 6120 §4.8.2)."""

from __future__ import annotations

from gateway.stream.events import NegotiationCompleted
from gateway.stream.profiles import client_profile
from tests.support.talk import Talk, header, message, talk


def client_talk(namespace: str = "jabber:client") -> Talk:
    return talk(profile=client_profile()).hear(header(None, namespace=namespace))


def test_clients_are_answered_in_their_namespace() -> None:
    talking = client_talk()
    assert b"<stream:stream xmlns='jabber:client' " in talking.sent
    assert b"dialback" not in talking.sent
    assert NegotiationCompleted() in talking.events


def test_stanzas_of_clients_are_taken() -> None:
    assert client_talk().forget().hear(message()).events == [message().encode()]


def test_the_namespace_of_servers_is_refused_there() -> None:
    assert client_talk("jabber:server").error == "invalid-namespace"


def test_a_stanza_of_the_namespace_of_servers_is_none_there() -> None:
    foreign = message().replace("<message", "<message xmlns='jabber:server'")
    assert client_talk().hear(foreign).error == "unsupported-stanza-type"
