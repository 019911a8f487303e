"""The handshake of a component as a feature (XEP-0114 §3)."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from gateway.features.handshake import AttachComponent, ComponentAttached, Handshake
from gateway.stream.facts import ComponentFacts, Means, Role
from gateway.stream.negotiation import Then
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition
from gateway.xmpp.namespaces import COMPONENT_ACCEPT
from tests.support.cases import Case, named

DOMAIN = Domain("bridge.ours.test")
FEATURE = Handshake({DOMAIN: "sécret"}.get)
FACTS = ComponentFacts(role=Role.RECEIVING, local=DOMAIN, remote=DOMAIN, stream_id="id-1")


def digest(secret: str, stream_id: str = "id-1") -> str:
    return hashlib.sha1(f"{stream_id}{secret}".encode()).hexdigest()


def handshake(text: str) -> str:
    return f"<handshake xmlns='{COMPONENT_ACCEPT}'>{text}</handshake>"


RIGHT = handshake(digest("sécret"))
ATTACH = (AttachComponent(domain=DOMAIN),)
CASES = [
    Case("the secret is known", FEATURE, FACTS, RIGHT, says=ATTACH, then=Then.SUSPEND),
    Case("in upper case, with space", FEATURE, FACTS, handshake(f" {digest('sécret').upper()}\n"), says=ATTACH,
         then=Then.SUSPEND),
    Case("wrong secret", FEATURE, FACTS, handshake(digest("secret")), then=StreamCondition.NOT_AUTHORIZED),
    Case("no digest", FEATURE, FACTS, handshake(""), then=StreamCondition.NOT_AUTHORIZED),
    Case("no ASCII", FEATURE, FACTS, handshake("é"), then=StreamCondition.NOT_AUTHORIZED),
    Case("h_10 seen on another stream", FEATURE, FACTS, handshake(digest("sécret", "id-0")),
         then=StreamCondition.NOT_AUTHORIZED),
    Case("a domain without secret", FEATURE, replace(FACTS, local=Domain("x.test")), handshake(digest("None")),
         then=StreamCondition.NOT_AUTHORIZED),
    Case("no domain", FEATURE, replace(FACTS, local=None), RIGHT, then=StreamCondition.UNSUPPORTED_STANZA_TYPE),
    Case("a second time", FEATURE, replace(FACTS, attached=DOMAIN), RIGHT,
         then=StreamCondition.UNSUPPORTED_STANZA_TYPE),
    Case("attached", FEATURE, FACTS, ComponentAttached(accepted=True), f"<handshake xmlns='{COMPONENT_ACCEPT}'/>",
         then=Then.CONTINUE, learns={"attached": DOMAIN}),
    Case("another one is attached", FEATURE, FACTS, ComponentAttached(accepted=False), then=StreamCondition.CONFLICT),
]  # fmt: skip


@pytest.mark.parametrize("case", **named(CASES))
def test_a_component_is_let_in(case: Case) -> None:
    case.check()


def test_stanzas_wait_for_it() -> None:
    assert not FEATURE.is_complete(FACTS)
    assert FEATURE.is_complete(replace(FACTS, attached=DOMAIN))


def test_what_a_component_has_proved_is_its_domain() -> None:
    assert FACTS.proved == {}
    assert replace(FACTS, attached=DOMAIN).proved == {DomainPair(DOMAIN, DOMAIN): Means.HANDSHAKE}
