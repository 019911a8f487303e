"""SASL of clients: what a door offers and when, how it answers, and what one of our clients chooses."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.features.sasl import Compute, CredentialsFound, FindCredentials, Paused, carry_out
from gateway.features.sasl_clients import (
    ChannelBindingTypes,
    ClientAuthenticated,
    Credentials,
    accepting_clients,
    logging_in,
)
from gateway.features.sasl_receiving import MOST_TRIES
from gateway.sasl.scram import ScramMechanism
from gateway.stream.facts import ClientFacts, Facts, Role, TLSFacts
from gateway.stream.negotiation import Then
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SaslCondition, SaslFailure, StreamError
from tests.support.logins import ACCOUNT, DECOYS, OUR_CERTIFICATE, PASSWORD, Login, nonces
from tests.support.pair import Certificate
from tests.support.steps import OURS, Outcome, element, facts, outcome, received

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
PEOPLE = Certificate(people=frozenset({"juliet@ours.test", "nurse@ours.test", "romeo@theirs.test"}))
JULIET = Certificate(people=frozenset({"juliet@ours.test"}))
PASSWORDS = [*map(str, ScramMechanism), "PLAIN"]
UNBOUND = TLSFacts(version="TLSv1.3")


def door(**known: Any) -> Facts:
    return facts(kind=ClientFacts, remote=None, **known)


def offered(known: Facts) -> list[str]:
    offer = accepting_clients(DECOYS, nonces()).offer(known)
    return [] if offer is None else [mechanism.text for mechanism in offer.elements(SASL, "mechanism")]


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (door(), PASSWORDS),
        (door(tls=None), []),
        (door(tls=UNBOUND), [name for name in PASSWORDS if not name.endswith("-PLUS")]),
        (door(certificate=JULIET), [*PASSWORDS, "EXTERNAL"]),
        (door(certificate=replace(JULIET, problem="expired")), PASSWORDS),
        (door(certificate=Certificate(people=frozenset({"romeo@theirs.test"}))), PASSWORDS),
        (door(certificate=Certificate(frozenset({OURS}))), PASSWORDS),
        (door(client=ACCOUNT), []),
    ],
)
def test_what_a_door_offers(known: Facts, names: list[str]) -> None:
    assert offered(known) == names


@pytest.mark.parametrize(
    ("known", "types"),
    [
        (door(tls=replace(UNBOUND, channel_bindings={"tls-server-end-point": b"1"})), ["tls-server-end-point"]),
        (
            door(tls=replace(UNBOUND, channel_bindings={"tls-server-end-point": b"1", "tls-exporter": b"2"})),
            ["tls-exporter", "tls-server-end-point"],
        ),
        (door(tls=UNBOUND), None),
        (door(tls=None), None),
        (door(client=ACCOUNT), None),
    ],
)
def test_channel_bindings_are_told_beside_the_mechanisms(known: Facts, types: list[str] | None) -> None:
    offer = ChannelBindingTypes().offer(known)
    assert (offer and [each.get("type") for each in offer.elements()]) == types


@dataclass(frozen=True)
class Case:
    title: str
    gets: str
    then: Outcome | str
    known: dict[str, Any] = field(default_factory=dict)


def auth(mechanism: str, payload: str | None = None) -> str:
    text = "" if payload is None else b64encode(payload.encode()).decode() or "="
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>"


PAUSE = Outcome(("Pause",), Then.SUSPEND)
CHALLENGE = Outcome(("<challenge>",), Then.AWAIT)
LOOK_UP = Outcome(("FindCredentials",), Then.SUSPEND)
CASES = [
    Case("PLAIN looks the account up", auth("PLAIN", "\0juliet\0secret"), LOOK_UP),
    Case("PLAIN without data is asked for it", auth("PLAIN"), CHALLENGE),
    Case("SCRAM looks the account up", auth("SCRAM-SHA-256", "n,,n=juliet,r=nonce"), LOOK_UP),
    Case("EXTERNAL looks the account up", auth("EXTERNAL", ""), LOOK_UP, {"certificate": JULIET}),
    Case("every refusal waits", auth("PLAIN", "\0juliet"), PAUSE),
    Case("also of what nobody could know", auth("NOTHING"), PAUSE),
    Case("and of giving up", f"<abort xmlns='{SASL}'/>", PAUSE),
    Case("an authenticated client has done that", auth("PLAIN"), "unsupported-stanza-type", {"client": ACCOUNT}),
    Case("what is ours to say", f"<challenge xmlns='{SASL}'/>", "unsupported-stanza-type"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_door(case: Case) -> None:
    assert received(accepting_clients(DECOYS, nonces()), door(**case.known), case.gets) == case.then


REFUSALS = [
    ("aborted", f"<abort xmlns='{SASL}'/>", {}),
    ("encryption-required", auth("PLAIN", "\0juliet\0secret"), {"tls": None}),
    ("encryption-required", auth("SCRAM-SHA-1", "n,,n=juliet,r=nonce"), {"tls": None}),
    ("encryption-required", auth("SCRAM-SHA-1-PLUS", "n,,n=juliet,r=nonce"), {"tls": None}),
    ("encryption-required", auth("EXTERNAL", ""), {"tls": None}),
    ("incorrect-encoding", f"<auth xmlns='{SASL}' mechanism='PLAIN'>not base64</auth>", {}),
    ("invalid-authzid", auth("EXTERNAL", "romeo@theirs.test"), {"certificate": PEOPLE}),
    ("invalid-authzid", auth("EXTERNAL", ""), {"certificate": PEOPLE}),
    ("invalid-mechanism", auth("NOTHING"), {}),
    ("invalid-mechanism", auth("SCRAM-SHA-1-PLUS", "p=tls-exporter,,n=juliet,r=nonce"), {"tls": UNBOUND}),
    ("malformed-request", auth("PLAIN", "\0juliet"), {}),
    ("malformed-request", auth("SCRAM-SHA-256", "p=tls-exporter,,n=juliet,r=nonce"), {}),
    ("malformed-request", f"<response xmlns='{SASL}'/>", {}),
    ("mechanism-too-weak", auth("DIGEST-MD5"), {}),
    ("not-authorized", auth("EXTERNAL", ""), {}),
    ("not-authorized", auth("SCRAM-SHA-256", "y,,n=juliet,r=nonce"), {}),
    ("not-authorized", auth("PLAIN", "\0" + "j" * 1024 + "\0secret"), {}),
]


@pytest.mark.parametrize(("condition", "text", "known"), REFUSALS)
def test_conditions(condition: str, text: str, known: dict[str, Any]) -> None:
    feature = accepting_clients(DECOYS, nonces())
    step = feature.receive(door(**known), element(text))
    assert outcome(step) == PAUSE
    told = feature.answered(step.facts, Paused())
    assert outcome(told) == Outcome((f"<failure {condition}>", "ProofFailed"), Then.AWAIT)


def test_accounts_that_cannot_be_read_are_a_temporary_failure() -> None:
    feature = accepting_clients(DECOYS, nonces())
    step = feature.receive(door(), element(auth("PLAIN", "\0juliet\0secret")))
    trouble = CredentialsFound(keys=SaslFailure(SaslCondition.TEMPORARY_AUTH_FAILURE))
    told = feature.answered(feature.answered(step.facts, trouble).facts, Paused())
    assert outcome(told).outputs[0] == "<failure temporary-auth-failure>"


def test_second_mechanism_in_the_middle_of_the_first_is_malformed() -> None:
    feature = accepting_clients(DECOYS, nonces())
    begun = feature.receive(door(), element(auth("PLAIN"))).facts
    step = feature.receive(begun, element(auth("PLAIN", "\0juliet\0secret")))
    assert outcome(feature.answered(step.facts, Paused())).outputs[0] == "<failure malformed-request>"


def test_tries_are_bounded() -> None:
    feature, known = accepting_clients(DECOYS, nonces()), door()
    for _ in range(MOST_TRIES):
        known = feature.answered(feature.receive(known, element(auth("NOTHING"))).facts, Paused()).facts
    assert received(feature, known, auth("PLAIN", "\0juliet\0secret")) == "policy-violation"


# -- both sides ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("mechanism", [*PASSWORDS, "EXTERNAL"])
def test_client_and_door_agree(mechanism: str, bytewise: bool) -> None:
    shown = JULIET if mechanism == "EXTERNAL" else None
    login = Login(mechanisms=frozenset({mechanism}), shown=shown, bytewise=bytewise)
    login.start()
    proved = [output for output in login.receiving.outputs if isinstance(output, ClientAuthenticated)]
    assert proved == [ClientAuthenticated(account=ACCOUNT, mechanism=mechanism)]
    assert login.initiating.stream.is_established
    assert login.initiating.stream.facts.client == login.receiving.stream.facts.client


def test_best_mechanism_is_taken() -> None:
    login = Login(shown=JULIET)
    login.start()
    assert [each.mechanism for each in login.receiving.outputs if isinstance(each, ClientAuthenticated)] == ["EXTERNAL"]
    login = Login()
    login.start()
    proved = [each.mechanism for each in login.receiving.outputs if isinstance(each, ClientAuthenticated)]
    assert proved == ["SCRAM-SHA-256-PLUS"]


def test_password_is_not_tried_again_after_it_was_refused() -> None:
    login = Login(password="the wrong one")
    login.start()
    assert login.failures() == ["not-authorized"]
    assert login.ends() == ["unsupported-feature"]


def test_password_is_tried_where_the_certificate_was_refused() -> None:
    strange = Certificate(people=frozenset({"nurse@ours.test"}))
    login = Login(shown=strange)
    login.start()
    assert login.failures() == ["invalid-authzid"]
    assert login.initiating.stream.facts.client == ACCOUNT.with_resource("made-1")


def test_plain_is_not_used_where_the_server_has_not_proved_itself() -> None:
    login = Login(mechanisms=frozenset({"PLAIN"}), server=Certificate(problem="self-signed"))
    login.start()
    assert b"PLAIN" not in b"".join(login.initiating.written)
    assert login.ends() == ["unsupported-feature"]


# -- what one of our clients makes of what it is told ------------------------------------------------------------------


def client(**known: Any) -> Facts:
    return facts(Role.INITIATING, ClientFacts, certificate=OUR_CERTIFICATE, remote=OURS, local=None, **known)


def features(*names: str, bindings: tuple[str, ...] | None = None) -> str:
    mechanisms = "".join(f"<mechanism>{name}</mechanism>" for name in names)
    types = "".join(f"<channel-binding type='{kind}'/>" for kind in bindings or ())
    told = f"<sasl-channel-binding xmlns='urn:xmpp:sasl-cb:0'>{types}</sasl-channel-binding>" if bindings else ""
    return f"<features><mechanisms xmlns='{SASL}'>{mechanisms}</mechanisms>{told}</features>"


def flag(known: Facts, offer: str) -> str:
    """The mechanism that is chosen, and what it says of channel binding."""
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD), nonces())
    step = feature.begin(known, element(offer))
    assert step is not None
    (begun,) = step.outputs
    assert isinstance(begun, Element)
    return f"{begun.get('mechanism')} {b64decode(begun.text).decode().split(',')[0]}"


@pytest.mark.parametrize(
    ("offer", "chosen"),
    [
        (features("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"), "SCRAM-SHA-256 y"),
        (features("SCRAM-SHA-1", "SCRAM-SHA-1-PLUS"), "SCRAM-SHA-1 n"),
        (features("SCRAM-SHA-1-PLUS", bindings=("tls-exporter",)), "SCRAM-SHA-1-PLUS p=tls-exporter"),
        (
            features("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", bindings=("tls-unique", "tls-server-end-point")),
            "SCRAM-SHA-256 n",
        ),
    ],
)
def test_channel_binding_of_a_client(offer: str, chosen: str) -> None:
    assert flag(client(), offer) == chosen


def test_client_without_bindings_says_so() -> None:
    assert flag(client(tls=UNBOUND), features("SCRAM-SHA-256", "SCRAM-SHA-256-PLUS")) == "SCRAM-SHA-256 n"


def test_server_without_the_binding_that_all_have_is_left() -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD), nonces())
    with pytest.raises(StreamError, match="may have removed them"):
        feature.begin(client(), element(features("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", bindings=("tls-unique",))))


def test_server_that_claims_success_without_proof_is_left() -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD), nonces())
    step = feature.begin(client(), element(features("SCRAM-SHA-256")))
    assert step is not None
    known = step.facts.having_tried("sasl")
    assert received(feature, known, f"<success xmlns='{SASL}'/>") == "not-authorized"
    assert received(feature, known, f"<success xmlns='{SASL}'>dj1ub25zZW5zZQ==</success>") == "not-authorized"


def test_nothing_weaker_is_tried_after_an_answer_that_we_refused() -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD), nonces())
    step = feature.begin(client(), element(features("SCRAM-SHA-256", "PLAIN")))
    assert step is not None
    known = step.facts
    step = feature.receive(known, element(f"<challenge xmlns='{SASL}'>not base64</challenge>"))
    assert outcome(step) == Outcome(("<abort>",), Then.AWAIT)
    assert received(feature, step.facts, f"<success xmlns='{SASL}'/>") == "unsupported-stanza-type"
    step = feature.receive(step.facts, element(f"<failure xmlns='{SASL}'><aborted/></failure>"))
    assert outcome(step) == Outcome(("ProofFailed",), Then.CONTINUE)


def test_nothing_is_tried_in_clear() -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password=PASSWORD, certificate=True), nonces())
    assert feature.begin(client(tls=None), element(features("EXTERNAL", "SCRAM-SHA-256", "PLAIN"))) is None


def test_challenge_that_we_cannot_answer_ends_the_attempt() -> None:
    feature = logging_in(Credentials(account=ACCOUNT, password="\x07"), nonces())
    step = feature.begin(client(), element(features("SCRAM-SHA-1")))
    assert step is not None
    (begun,) = step.outputs
    assert isinstance(begun, Element)
    nonce = b64decode(begun.text).decode().rpartition("r=")[2]
    challenge = b64encode(f"r={nonce}theirs,s=QSXCR+Q6sek8bf92,i=4096".encode()).decode()
    asked = feature.receive(step.facts, element(f"<challenge xmlns='{SASL}'>{challenge}</challenge>"))
    (compute,) = asked.outputs
    assert isinstance(compute, Compute)
    assert outcome(feature.answered(asked.facts, carry_out(compute))) == Outcome(("<abort>",), Then.AWAIT)


def test_no_secret_shows_in_any_record() -> None:
    credentials = Credentials(account=ACCOUNT, password=PASSWORD)
    login = Login()
    login.start()
    assert PASSWORD not in repr([credentials, login.initiating.outputs, login.receiving.outputs])


# -- anything at all -------------------------------------------------------------------------------------------------

NAMES = st.sampled_from([*PASSWORDS, "EXTERNAL", "NOTHING", ""])
TEXTS = st.binary(max_size=60).map(lambda data: b64encode(data).decode()) | st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<>&\ufffe\uffff"), max_size=30
)
# What SCRAM and PLAIN are made of, in any order, comes further than chance would.
PIECES = st.lists(
    st.sampled_from(["n,,", "y,,", "p=tls-exporter,,", "n=juliet", ",", "r=nonce", "a=b", "m=", "\0", "=", "é"]),
    max_size=8,
).map(lambda pieces: b64encode("".join(pieces).encode()).decode())
SAID = st.builds(
    lambda element, name, text: f"<{element} xmlns='{SASL}' mechanism='{name}'>{text}</{element}>",
    st.sampled_from(["auth", "response", "abort", "success", "challenge", "failure"]),
    NAMES,
    TEXTS | PIECES,
)


@given(st.lists(SAID, max_size=6), st.booleans())
def test_whatever_a_client_says_is_answered_or_ends_the_stream(said: list[str], certified: bool) -> None:
    feature = accepting_clients(DECOYS, nonces())
    known = door(certificate=PEOPLE if certified else None)
    for text in said:
        try:
            step = feature.receive(known, element(text))
            while step.then is Then.SUSPEND:
                step = feature.answered(step.facts, answer_to(step.outputs[-1]))
        except StreamError:
            return
        known = step.facts
        assert known.client is None, "nobody knows the password, and no account of the certificate is there"


def answer_to(question: object) -> object:
    """Return what the I/O floor answers where there are no accounts."""
    match question:
        case FindCredentials():
            return CredentialsFound(keys=None)
        case Compute():
            return carry_out(question)
    return Paused()
