"""SASL between servers: what is offered, chosen, accepted and refused, on which terms."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback
from gateway.features.sasl import Compute, carry_out
from gateway.features.sasl_receiving import MOST_TRIES
from gateway.features.sasl_servers import accepting_servers, proving_to_servers
from gateway.features.starttls import StartTLS
from gateway.stream.events import CloseTransport, NegotiationCompleted, PairVerified, ProofFailed
from gateway.stream.facts import Facts, Means, Role, ServerFacts, Terms
from gateway.stream.negotiation import Then
from gateway.stream.profiles import server_profile
from gateway.xmpp.addresses import DomainPair
from tests.support.pair import Certificate, End, Pair, make_stream
from tests.support.steps import OURS, THEIRS, Outcome, element, facts, received

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
GOOD = Certificate(frozenset({THEIRS}))
PAIR = DomainPair(THEIRS, OURS)
EXTERNAL = Terms(means=(Means.EXTERNAL, Means.DIALBACK))
DIGEST = Terms(means=(Means.DIGEST_MD5,), shared_secret="between us")
BOTH = Terms(means=(Means.DIGEST_MD5, Means.EXTERNAL), shared_secret="between us")


def token():
    return lambda numbers=count(1): f"token-{next(numbers)}"


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


def offered(known: Facts) -> list[str]:
    offer = accepting_servers(token()).offer(known)
    return [] if offer is None else [mechanism.text for mechanism in offer.elements(SASL, "mechanism")]


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (facts(terms=EXTERNAL, certificate=GOOD), ["EXTERNAL"]),
        (facts(terms=EXTERNAL, certificate=Certificate(frozenset({OURS}))), []),
        (facts(terms=EXTERNAL, certificate=Certificate(frozenset({THEIRS}), problem="expired")), []),
        (facts(terms=EXTERNAL), []),
        (facts(terms=EXTERNAL, certificate=GOOD, tls=None), []),
        (facts(terms=EXTERNAL, certificate=GOOD, remote=None), []),
        (facts(terms=EXTERNAL, certificate=GOOD, proofs={PAIR: Means.EXTERNAL}), []),
        (facts(terms=Terms(means=(Means.DIALBACK,)), certificate=GOOD), []),
        (facts(terms=DIGEST), ["DIGEST-MD5"]),
        (facts(terms=DIGEST, tls=None), []),
        (facts(terms=Terms(means=DIGEST.means, shared_secret="s", require_tls=False), tls=None), ["DIGEST-MD5"]),
        (facts(terms=Terms(means=DIGEST.means)), []),
        (facts(terms=Terms(means=EXTERNAL.means, shared_secret="between us")), []),
        (facts(terms=BOTH, certificate=GOOD), ["EXTERNAL", "DIGEST-MD5"]),
    ],
)
def test_what_is_offered_succeeds_with_this_certificate_and_these_terms(known: Facts, names: list[str]) -> None:
    assert offered(known) == names


@dataclass(frozen=True)
class Case:
    title: str
    gets: str
    then: Outcome | str
    known: dict[str, Any] = field(default_factory=dict)


def auth(mechanism: str, text: str = "") -> str:
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>"


def refused(condition: str) -> Outcome:
    return Outcome((f"<failure {condition}>", "ProofFailed"), Then.AWAIT)


ACCEPTED = Outcome(("<success>", "PairVerified"), Then.RESTART)
CASES = [
    Case("our domain's name is taken", auth("EXTERNAL", encoded("theirs.test")), ACCEPTED),
    Case("any spelling of it is", auth("EXTERNAL", encoded("THEIRS.test.")), ACCEPTED),
    Case("the empty identity is", auth("EXTERNAL", "="), ACCEPTED),
    Case("an empty element is too", auth("EXTERNAL"), ACCEPTED),
    Case("another name is not", auth("EXTERNAL", encoded("ours.test")), refused("invalid-authzid")),
    Case("an account is not", auth("EXTERNAL", encoded("a@theirs.test")), refused("invalid-authzid")),
    Case("no base64 is not", auth("EXTERNAL", "?"), refused("incorrect-encoding")),
    Case("no text is not", auth("EXTERNAL", "/w=="), refused("malformed-request")),
    Case("no certificate, no proof", auth("EXTERNAL", "="), refused("not-authorized"), {"certificate": None}),
    Case("no TLS, no certificate", auth("EXTERNAL", "="), refused("encryption-required"), {"tls": None}),
    Case("no 'from', no domain", auth("EXTERNAL", "="), refused("not-authorized"), {"remote": None}),
    Case("not what we offer", auth("SCRAM-SHA-1", "="), refused("invalid-mechanism")),
    Case("no mechanism", f"<auth xmlns='{SASL}'/>", refused("invalid-mechanism")),
    Case("DIGEST-MD5 unasked", auth("DIGEST-MD5"), refused("mechanism-too-weak")),
    Case("a response to nothing", f"<response xmlns='{SASL}'/>", refused("malformed-request")),
    Case("given up", f"<abort xmlns='{SASL}'/>", refused("aborted")),
    Case("what is ours to say", f"<success xmlns='{SASL}'/>", "unsupported-stanza-type"),
    Case("once more", auth("EXTERNAL", "="), "unsupported-stanza-type", {"proofs": {PAIR: Means.EXTERNAL}}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_receiving_server(case: Case) -> None:
    known = facts(**{"terms": EXTERNAL, "certificate": GOOD, **case.known})
    assert received(accepting_servers(token()), known, case.gets) == case.then


def test_tries_are_bounded() -> None:
    feature, known = accepting_servers(token()), facts(terms=EXTERNAL)
    for _ in range(MOST_TRIES):
        known = feature.receive(known, element(auth("EXTERNAL", "="))).facts
    assert received(feature, known, auth("EXTERNAL", "=")) == "policy-violation"


def between(ours: Terms, theirs: Terms, *, shown: Certificate | None = None, bytewise: bool = False) -> Pair:
    """A stream from theirs.test to ours.test: what each side holds the other to, and the certificate that is shown."""
    keys = KeyMaker(b"k" * 32)
    dialback = Dialback(keys, lambda domain: True, lambda pair: ours)
    initiating = make_stream(
        server_profile(StartTLS(), proving_to_servers(token()), dialback),
        ServerFacts(role=Role.INITIATING, local=THEIRS, remote=OURS, terms=theirs),
        accept=lambda header, known: known,
    )
    receiving = make_stream(
        server_profile(StartTLS(), accepting_servers(token()), dialback), ServerFacts(role=Role.RECEIVING, terms=ours)
    )
    pair = Pair(End(initiating, certificate=shown), End(receiving), bytewise=bytewise)
    pair.initiating.answers[Compute] = carry_out
    pair.start()
    return pair


def story(end: End) -> list[object]:
    """Return what was proved, or not, on the way."""
    told = (PairVerified, ProofFailed, NegotiationCompleted, CloseTransport)
    return [output for output in end.outputs if isinstance(output, told)]


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(
    ("terms", "shown", "means"),
    [
        (EXTERNAL, GOOD, Means.EXTERNAL),
        (DIGEST, None, Means.DIGEST_MD5),
        (BOTH, GOOD, Means.DIGEST_MD5),  # the initiating server's order decides
        (Terms(means=tuple(reversed(BOTH.means)), shared_secret="between us"), GOOD, Means.EXTERNAL),
    ],
)
def test_both_sides_agree_on_the_proof(terms: Terms, shown: Certificate | None, means: Means, bytewise: bool) -> None:
    pair = between(terms, terms, shown=shown, bytewise=bytewise)
    proved = [PairVerified(pair=PAIR, means=means), NegotiationCompleted()]
    assert story(pair.receiving) == proved
    assert story(pair.initiating) == proved
    assert pair.initiating.stream.is_established


def test_another_secret_proves_nothing_to_either_side() -> None:
    pair = between(DIGEST, Terms(means=DIGEST.means, shared_secret="another"))
    failed = story(pair.receiving)[0]
    assert isinstance(failed, ProofFailed)
    assert (failed.means, failed.condition) == (Means.DIGEST_MD5, "not-authorized")
    assert not pair.initiating.stream.is_established
    assert not pair.receiving.stream.facts.proofs


def test_secret_does_not_show_in_any_record() -> None:
    pair = between(DIGEST, DIGEST)
    assert "between us" not in repr([pair.receiving.stream.facts, pair.initiating.stream.facts, story(pair.receiving)])
