"""Which stream headers of components are accepted (XEP-0114 §3, RFC 6120 §4.7)."""

from __future__ import annotations

import pytest

from gateway.components.headers import ComponentPolicy
from gateway.stream.facts import Facts, Role
from gateway.stream.header import StreamHeader
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StreamCondition, StreamError

FACTS = Facts(role=Role.RECEIVING)


def header(to: str | None) -> StreamHeader:
    return StreamHeader(content_namespace="jabber:component:accept", to=Address.parse(to) if to is not None else None)


def test_a_component_is_the_domain_that_its_header_is_addressed_to() -> None:
    policy = ComponentPolicy({Address.parse("chat.example").domain})
    facts = policy.accept(header("chat.example"), FACTS)
    assert str(facts.our_domain) == "chat.example"
    assert facts.remote is None  # it has proved nothing yet


@pytest.mark.parametrize("to", ["other.example", "sub.chat.example", None])
def test_a_domain_that_is_no_component_is_unknown_and_our_log_says_which(to: str | None) -> None:
    policy = ComponentPolicy({Address.parse("chat.example").domain})
    with pytest.raises(StreamError) as error:
        policy.accept(header(to), FACTS)
    assert error.value.condition is StreamCondition.HOST_UNKNOWN
    assert (to or "an unnamed domain") in error.value.reason
