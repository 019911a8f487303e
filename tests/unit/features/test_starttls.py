"""STARTTLS as a feature, both roles (RFC 6120 §5)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.features.starttls import StartTLS
from gateway.stream.events import SecureTransport
from gateway.stream.facts import (
    ClientFacts,
    Exchange,
    Management,
    Means,
    PeerLimits,
    Role,
    ServerFacts,
    Terms,
    TLSFacts,
)
from gateway.stream.negotiation import Then
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StreamCondition
from gateway.xmpp.namespaces import TLS
from tests.support.cases import Case, Offer, Offered, named
from tests.support.talk import GOOD, IN_CLEAR, INBOUND, OURS, THEIRS, secured

FEATURE = StartTLS()
RECEIVING = ServerFacts(role=Role.RECEIVING, local=OURS, remote=THEIRS)
INITIATING = ServerFacts(role=Role.INITIATING, local=OURS, remote=THEIRS)
ASKED = INITIATING.having_tried("starttls")
UNDER_TLS = {"tls": TLSFacts(version="TLSv1.3"), "certificate": GOOD}
STARTTLS, PROCEED, FAILURE = (f"<{name} xmlns='{TLS}'/>" for name in ("starttls", "proceed", "failure"))
REQUIRED = f"<starttls xmlns='{TLS}'><required/></starttls>"
NOT_EXPECTED = StreamCondition.UNSUPPORTED_STANZA_TYPE

OFFERS = [
    Offer("required where terms say so", FEATURE, RECEIVING, REQUIRED),
    Offer("optional where they do not", FEATURE, replace(RECEIVING, terms=IN_CLEAR), STARTTLS),
    Offer("not under TLS", FEATURE, replace(RECEIVING, **UNDER_TLS)),
]
CASES = [
    Case("receiving side proceeds", FEATURE, RECEIVING, STARTTLS, PROCEED, (SecureTransport(),), Then.SUSPEND),
    Case("initiating side asks", FEATURE, INITIATING, Offered(REQUIRED), STARTTLS),
    Case("initiating side asks also where it need not", FEATURE, replace(INITIATING, terms=IN_CLEAR),
         Offered(STARTTLS), STARTTLS),
    Case("initiating side starts TLS", FEATURE, ASKED, PROCEED, "", (SecureTransport(),), Then.SUSPEND),
    Case("h_21 not offered and required", FEATURE, INITIATING, Offered(), then=StreamCondition.POLICY_VIOLATION),
    Case("not offered and not required", FEATURE, replace(INITIATING, terms=IN_CLEAR), Offered(), then=None),
    Case("asked of a server that offers no features", FEATURE, replace(INITIATING, peer_version=(0, 9)), Offered(),
         STARTTLS),
    Case("not asked of one where TLS is not required", FEATURE,
         replace(INITIATING, peer_version=(0, 9), terms=IN_CLEAR), Offered(), then=None),
    Case("passed over under TLS", FEATURE, replace(INITIATING, **UNDER_TLS), Offered(STARTTLS), then=None),
    Case("a second time, receiving", FEATURE, replace(RECEIVING, **UNDER_TLS), STARTTLS, then=NOT_EXPECTED),
    Case("a second time, initiating", FEATURE, replace(ASKED, **UNDER_TLS), PROCEED, then=NOT_EXPECTED),
    Case("proceed unasked", FEATURE, INITIATING, PROCEED, then=NOT_EXPECTED),
    Case("proceed from the initiating side", FEATURE, RECEIVING, PROCEED, then=NOT_EXPECTED),
    Case("failure from the initiating side", FEATURE, RECEIVING, FAILURE, then=NOT_EXPECTED),
    Case("starttls from the receiving side", FEATURE, ASKED, STARTTLS, then=NOT_EXPECTED),
    Case("the other side cannot", FEATURE, ASKED, FAILURE, then=StreamCondition.UNDEFINED_CONDITION),
]  # fmt: skip


@pytest.mark.parametrize("offer", **named(OFFERS))
def test_it_is_offered(offer: Offer) -> None:
    offer.check()


@pytest.mark.parametrize("case", **named(CASES))
def test_it_is_negotiated(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("role", Role)
def test_what_was_learned_in_clear_is_forgotten(role: Role) -> None:
    """Every fact there is, but who we are, whom we called on what terms, and TLS itself."""
    learned = ServerFacts(
        role=role,
        local=OURS,
        remote=THEIRS,
        stream_id="in clear",
        peer_version=(1, 1),
        terms=Terms(require_tls=False),
        proofs={INBOUND: Means.DIALBACK},
        asserted=frozenset({INBOUND}),
        asked=frozenset({(INBOUND, "1")}),
        checking=frozenset({INBOUND}),
        tried=frozenset({"starttls", "sasl", "dialback"}),
        peer_dialback_errors=True,
        peer_limits=PeerLimits(stanza_bytes=1),
        bidirectional=True,
        management=Management.ON,
        conversation=Exchange(name="EXTERNAL"),
    )
    step = FEATURE.answered(learned, secured())
    assert step.then is Then.RESTART
    assert step.facts == ServerFacts(
        role=role, local=OURS, remote=THEIRS, terms=learned.terms, tried=frozenset({"starttls"}), **UNDER_TLS
    )


def test_what_a_client_has_proved_in_clear_is_forgotten() -> None:
    learned = ClientFacts(role=Role.RECEIVING, local=OURS, client=Address.parse("juliet@ours.test"))
    step = FEATURE.answered(learned, secured())
    assert step.facts == ClientFacts(role=Role.RECEIVING, local=OURS, tried=frozenset({"starttls"}), **UNDER_TLS)


@pytest.mark.parametrize(
    ("facts", "complete"),
    [(RECEIVING, False), (replace(RECEIVING, terms=IN_CLEAR), True), (replace(RECEIVING, **UNDER_TLS), True)],
)
def test_stanzas_wait_for_it_where_it_is_required(facts: ServerFacts, complete: bool) -> None:
    assert FEATURE.is_complete(facts) == complete
