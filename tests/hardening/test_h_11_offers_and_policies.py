"""H-11: (what the peer offers or does) x (policy) x (certificate) x (who connects), as one table (CVE-2014-3451).

The result is how the pair was proved, and that stanzas pass; or that the stream was refused, and none do. The
expectation is written down as rules; the streams of the gateway have to agree in every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import pytest

from gateway.routing.policy import DomainRule, Domains, OutsidePolicy, accept_answer
from gateway.stream.events import PairChecked, VerifyPair
from gateway.stream.facts import Means, Role, Terms
from tests.support.pair import Certificate
from tests.support.talk import (
    FEATURES,
    INBOUND,
    OURS,
    OUTBOUND,
    THEIRS,
    Talk,
    header,
    message,
    secured,
    server_features,
    talk,
)

EXTERNAL, DIALBACK, CERTIFICATE, REFUSED = Means.EXTERNAL, Means.DIALBACK, Means.CERTIFICATE, "refused"

CERTIFICATES = {
    "good": Certificate(names=frozenset({THEIRS})),
    "of another name": Certificate(names=frozenset({"other.test"})),
    "not trusted": Certificate(names=frozenset({THEIRS}), problem="an unknown authority"),
    "expired": Certificate(names=frozenset({THEIRS}), problem="expired"),
    "none": None,
}
POLICIES = [
    Terms(require_tls=required, means=means)
    for required in (True, False)
    for means in ((EXTERNAL, DIALBACK), (DIALBACK, EXTERNAL), (EXTERNAL,), (DIALBACK,), ())
]


@dataclass(frozen=True)
class Peer:
    """What the other server can do: offered by it where we connect, tried by it where it connects."""

    tls: bool
    external: bool
    dialback: bool


PEERS = [Peer(*able) for able in product((True, False), repeat=3)]

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"
VALID = "<db:result from='theirs.test' to='ours.test' type='valid'/>"
CLOSE = "</stream:stream>"


# -- we connect ------------------------------------------------------------------------------------------------------


def expected_out(peer: Peer, terms: Terms, certificate: str) -> str:
    if terms.require_tls and not peer.tls:
        return REFUSED
    if peer.tls and DIALBACK not in terms.means and certificate != "good":
        return REFUSED  # nothing but the certificate could tell us whom we have reached
    able = {EXTERNAL: peer.tls and peer.external, DIALBACK: peer.dialback}
    return next((means for means in terms.means if able[means]), REFUSED)


def connect(peer: Peer, terms: Terms, certificate: Certificate | None) -> Talk:
    """We call a server that answers everything that it can."""
    external = MECHANISMS if peer.external else ""
    in_clear = STARTTLS if peer.tls else external
    talking = talk(Role.INITIATING, terms=terms, accept=accept_answer).open()
    talking.hear(header(id_="1"), f"<stream:features>{in_clear}</stream:features>")
    if b"<starttls" in talking.sent:
        if not peer.tls:
            return talking.hear(CLOSE)
        talking.hear(PROCEED).answer(secured(certificate)).hear(header(id_="2"))
        talking.hear(f"<stream:features>{external}</stream:features>")
    return answer_proofs(peer, talking)


def answer_proofs(peer: Peer, talking: Talk) -> Talk:
    """Answer our proofs as this peer does: each succeeds if the peer supports it."""
    for _ in EXTERNAL, DIALBACK:
        tried = talking.sent
        if tried.rfind(b"<auth") > tried.rfind(b"<db:result"):
            return talking.hear(SUCCESS, header(id_="3"), FEATURES)
        if b"<db:result" in tried:
            talking.hear(VALID if peer.dialback else VALID.replace("'valid'", "'invalid'"))
        if talking.stream.is_established:
            return talking
    return talking


def outcome_out(talking: Talk) -> str:
    if not talking.stream.is_established:
        assert not talking.stream.is_open
        return REFUSED
    return talking.stream.facts.proofs[OUTBOUND]


# -- the other server connects ---------------------------------------------------------------------------------------


def expected_in(peer: Peer, terms: Terms, certificate: str) -> str:
    if terms.require_tls and not peer.tls:
        return REFUSED
    if peer.tls and EXTERNAL in terms.means and certificate == "good":
        if peer.external:
            return EXTERNAL
        return CERTIFICATE if peer.dialback else REFUSED
    return DIALBACK if peer.dialback and DIALBACK in terms.means else REFUSED


def be_called(peer: Peer, terms: Terms, certificate: Certificate | None) -> Talk:
    """A server calls us, tries everything that it can, and then sends a stanza."""
    door = OutsidePolicy(Domains({OURS: DomainRule()}), lambda domain: terms)
    profile = server_features(Role.RECEIVING, lambda pair: terms)
    talking = talk(accept=door.accept, profile=profile, terms=terms).hear(header())
    if peer.tls:
        talking.hear(STARTTLS).answer(secured(certificate)).hear(header())
    if peer.external:
        talking.hear(AUTH)
        if talking.sent.endswith(SUCCESS.encode()):
            talking.hear(header())
    if peer.dialback and not talking.stream.facts.proofs:
        talking.hear(ASSERTED)
        if any(isinstance(event, VerifyPair) for event in talking.events):
            talking.answer(PairChecked(pair=INBOUND, valid=True))
    return talking.hear(message())


def outcome_in(talking: Talk) -> str:
    if message().encode() not in talking.said:
        assert not talking.stream.is_open
        return REFUSED
    return talking.stream.facts.proofs[INBOUND]


ROWS = list(product(PEERS, POLICIES, CERTIFICATES))


@pytest.mark.parametrize("direction", ["out", "in"])
def test_h_11_what_comes_out(direction: str) -> None:
    expected, play, outcome = {
        "out": (expected_out, connect, outcome_out),
        "in": (expected_in, be_called, outcome_in),
    }[direction]
    wrong = []
    outcomes = set()
    for peer, terms, kind in ROWS:
        came_out = outcome(play(peer, terms, CERTIFICATES[kind]))
        outcomes.add(came_out)
        if came_out != expected(peer, terms, kind):
            wrong.append((peer, terms, kind, came_out, expected(peer, terms, kind)))
    assert not wrong, f"{len(wrong)} of {len(ROWS)}, the first: {wrong[0]}"
    assert outcomes == {EXTERNAL, DIALBACK, REFUSED} | ({CERTIFICATE} if direction == "in" else set())


def test_h_11_required_tls_never_goes_on_in_clear() -> None:
    for peer, terms, kind in ROWS:
        if terms.require_tls and not peer.tls:
            sent = connect(peer, terms, CERTIFICATES[kind]).sent
            assert b"<auth" not in sent
            assert b"<db:result" not in sent


def test_h_11_a_failed_validation_is_never_an_external_proof() -> None:
    for peer, terms, kind in ROWS:
        if kind != "good":
            proofs = be_called(peer, terms, CERTIFICATES[kind]).stream.facts.proofs
            assert set(proofs.values()) <= {DIALBACK}
