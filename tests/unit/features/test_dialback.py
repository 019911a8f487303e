"""Dialback as a feature: its three parts on one stream (XEP-0220 §2), as rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.features.dialback import Dialback, DialbackBounds, DialbackQuestions
from gateway.stream.events import (
    KeyAnswered,
    PairChecked,
    PairRefused,
    PairVerified,
    VerificationAnswered,
    VerifyPair,
)
from gateway.stream.facts import Means, Role, ServerFacts, Terms, TLSFacts
from gateway.stream.negotiation import Then
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StreamCondition
from tests.support.cases import Case, Offer, Offered, named
from tests.support.pair import Certificate
from tests.support.talk import GOOD, IN_CLEAR, INBOUND, KEYS, OURS, OUTBOUND, THEIRS

ANY = Terms()
ONLY_EXTERNAL = Terms(means=(Means.EXTERNAL,))
ONLY_DIALBACK = Terms(means=(Means.DIALBACK,))
BY_SENDER: dict[str, Terms | StanzaCondition] = {
    "theirs.test": ANY,
    "clear.test": IN_CLEAR,
    "external.test": ONLY_EXTERNAL,
    "dialback.test": ONLY_DIALBACK,
    "dane.test": Terms(means=(Means.DANE, Means.DIALBACK), required=Means.DANE),
    "banned.test": StanzaCondition.FORBIDDEN,
}
FEATURE = Dialback(KEYS, lambda domain: domain == OURS, lambda pair: BY_SENDER[pair.sender])
QUESTIONS = DialbackQuestions(FEATURE)

TLS = {"tls": TLSFacts(version="TLSv1.3")}
INBOUND_FACTS = ServerFacts(role=Role.RECEIVING, local=OURS, remote=THEIRS, stream_id="id-1", **TLS)
OUTBOUND_FACTS = ServerFacts(role=Role.INITIATING, local=OURS, remote=THEIRS, stream_id="id-1", **TLS)
KEY = KEYS.key(OUTBOUND, "id-1")
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'/>"
WITH_ERRORS = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
EXTERNAL_PROOF, DIALBACK_PROOF = {OUTBOUND: Means.EXTERNAL}, {OUTBOUND: Means.DIALBACK}


def inbound(sender: str) -> DomainPair:
    return DomainPair(Domain(sender), OURS)


def asserted(sender: str = "theirs.test", key: str = "key") -> str:
    return f"<db:result from='{sender}' to='ours.test'>{key}</db:result>"


def answer(kind: str, to: str = "theirs.test") -> str:
    return f"<db:result from='ours.test' to='{to}' type='{kind}'/>"


def error(condition: str, kind: str, text: str, to: str = "theirs.test") -> str:
    stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
    return (
        f"<db:result from='ours.test' to='{to}' type='error'><error type='{kind}'><{condition} xmlns='{stanzas}'/>"
        f"<text xmlns='{stanzas}' xml:lang='en'>{text}</text></error></db:result>"
    )


def verify(kind: str = "", key: str = "", *, from_: str = "theirs.test", to: str = "ours.test", id_: str = "s") -> str:
    told = f" type='{kind}'" if kind else ""
    attributes = f"from='{from_}' to='{to}'{told} id='{id_}'"
    return f"<db:verify {attributes}>{key}</db:verify>" if key else f"<db:verify {attributes}/>"


OFFERS = [
    Offer("under TLS", FEATURE, INBOUND_FACTS, WITH_ERRORS),
    Offer("h_21 not in clear where TLS is required", FEATURE, replace(INBOUND_FACTS, tls=None)),
    Offer("in clear where it is not", FEATURE, replace(INBOUND_FACTS, tls=None, terms=IN_CLEAR), WITH_ERRORS),
    Offer("not where certificates are required", FEATURE, replace(INBOUND_FACTS, terms=ONLY_EXTERNAL)),
    Offer("for further pairs, once one is proved", FEATURE,
          replace(INBOUND_FACTS, terms=ONLY_EXTERNAL, proofs={INBOUND: Means.EXTERNAL}), WITH_ERRORS),
]  # fmt: skip

INITIATING = [
    Case("asserts the pair of the stream", FEATURE, OUTBOUND_FACTS, Offered(WITH_ERRORS),
         f"<db:result from='ours.test' to='theirs.test'>{KEY}</db:result>",
         learns={"asserted": frozenset({OUTBOUND}), "peer_dialback_errors": True}),
    Case("also where dialback is not offered", FEATURE, OUTBOUND_FACTS, Offered(),
         f"<db:result from='ours.test' to='theirs.test'>{KEY}</db:result>", learns={"asserted": frozenset({OUTBOUND})}),
    Case("not where something better has proved it", FEATURE, replace(OUTBOUND_FACTS, proofs=EXTERNAL_PROOF),
         Offered(DIALBACK), then=Then.CONTINUE),
    Case("not where our terms say no", FEATURE, replace(OUTBOUND_FACTS, terms=ONLY_EXTERNAL), Offered(DIALBACK),
         then=None),
    Case("h_21 no key in clear", FEATURE, replace(OUTBOUND_FACTS, tls=None), Offered(DIALBACK),
         then=StreamCondition.POLICY_VIOLATION),
    Case("no key without a stream id", FEATURE, replace(OUTBOUND_FACTS, stream_id=""), Offered(DIALBACK),
         then=StreamCondition.BAD_FORMAT),
    Case("valid", FEATURE, replace(OUTBOUND_FACTS, asserted=frozenset({OUTBOUND})),
         "<db:result from='theirs.test' to='ours.test' type='valid'/>",
         says=(PairVerified(pair=OUTBOUND, means=Means.DIALBACK),), then=Then.CONTINUE,
         learns={"asserted": frozenset(), "proofs": DIALBACK_PROOF}),
    Case("invalid", FEATURE, replace(OUTBOUND_FACTS, asserted=frozenset({OUTBOUND})),
         "<db:result from='theirs.test' to='ours.test' type='invalid'/>",
         says=(PairRefused(pair=OUTBOUND, condition="invalid", text=""),), then=Then.CONTINUE,
         learns={"asserted": frozenset()}),
    Case("an error", FEATURE, replace(OUTBOUND_FACTS, asserted=frozenset({OUTBOUND})),
         "<db:result from='theirs.test' to='ours.test' type='error'><error type='cancel'>"
         "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>",
         says=(PairRefused(pair=OUTBOUND, condition="item-not-found", text=""),), then=Then.CONTINUE,
         learns={"asserted": frozenset()}),
    Case("a further pair is refused", FEATURE,
         replace(OUTBOUND_FACTS, asserted=frozenset({OUTBOUND._replace(sender=Domain("b.test"))})),
         "<db:result from='theirs.test' to='b.test' type='invalid'/>",
         says=(PairRefused(pair=OUTBOUND._replace(sender=Domain("b.test")), condition="invalid", text=""),),
         learns={"asserted": frozenset()}),
    Case("h_01 valid, unasked", FEATURE, OUTBOUND_FACTS, "<db:result from='theirs.test' to='ours.test' type='valid'/>"),
    Case("h_01 valid, for another pair", FEATURE, replace(OUTBOUND_FACTS, asserted=frozenset({OUTBOUND})),
         "<db:result from='other.test' to='ours.test' type='valid'/>"),
    Case("a server that may use our stream both ways opens its own to assert domains", FEATURE,
         replace(OUTBOUND_FACTS, bidirectional=True), asserted(),
         error("not-acceptable", "modify", "not on this stream"),
         (PairRefused(pair=INBOUND, condition="not-acceptable", text="not on this stream"),)),
    Case("nobody asserts to us on our own stream", FEATURE, OUTBOUND_FACTS, asserted(),
         then=StreamCondition.NOT_AUTHORIZED),
]  # fmt: skip

CHECKING = replace(INBOUND_FACTS, checking=frozenset({INBOUND}))
RECEIVING = [
    Case("asks the authoritative server", FEATURE, INBOUND_FACTS, asserted(),
         says=(VerifyPair(pair=INBOUND, stream_id="id-1", key="key"),), learns={"checking": frozenset({INBOUND})}),
    Case("asks once", FEATURE, CHECKING, asserted()),
    Case("a certificate says it all", FEATURE, replace(INBOUND_FACTS, certificate=GOOD), asserted(), answer("valid"),
         (PairVerified(pair=INBOUND, means=Means.CERTIFICATE),), Then.CONTINUE,
         {"proofs": {INBOUND: Means.CERTIFICATE}}),
    Case("but not where certificates do not count", FEATURE,
         replace(INBOUND_FACTS, certificate=Certificate(names=frozenset({Domain("dialback.test")}))),
         asserted("dialback.test"), says=(VerifyPair(pair=inbound("dialback.test"), stream_id="id-1", key="key"),),
         learns={"checking": frozenset({inbound("dialback.test")})}),
    Case("nor for another domain than it names", FEATURE, replace(INBOUND_FACTS, certificate=GOOD),
         asserted("external.test"),
         error("not-authorized", "auth", "a valid certificate is required here", "external.test"),
         (PairRefused(pair=inbound("external.test"), condition="not-authorized",
                      text="a valid certificate is required here"),)),
    Case("nor where one proof is required", FEATURE, INBOUND_FACTS, asserted("dane.test"),
         error("not-authorized", "auth", "proof by dane is required here", "dane.test"),
         (PairRefused(pair=inbound("dane.test"), condition="not-authorized",
                      text="proof by dane is required here"),)),
    Case("h_07 a pair that is not ours to take", FEATURE, INBOUND_FACTS, asserted("banned.test"),
         error("forbidden", "auth", "this server does not accept that pair of domains", "banned.test"),
         (PairRefused(pair=inbound("banned.test"), condition="forbidden",
                      text="this server does not accept that pair of domains"),)),
    Case("proved before", FEATURE, replace(INBOUND_FACTS, proofs={INBOUND: Means.EXTERNAL}), asserted(),
         answer("valid")),
    Case("h_21 in clear", FEATURE, replace(INBOUND_FACTS, tls=None), asserted(), then=StreamCondition.POLICY_VIOLATION),
    Case("h_21 in clear, for one who must not", FEATURE, replace(INBOUND_FACTS, tls=None, terms=IN_CLEAR), asserted(),
         then=StreamCondition.POLICY_VIOLATION),
    Case("in clear, for one who may", FEATURE, replace(INBOUND_FACTS, tls=None, terms=IN_CLEAR), asserted("clear.test"),
         says=(VerifyPair(pair=inbound("clear.test"), stream_id="id-1", key="key"),),
         learns={"checking": frozenset({inbound("clear.test")})}),
    Case("the key is right", FEATURE, CHECKING, PairChecked(pair=INBOUND, valid=True), answer("valid"),
         (PairVerified(pair=INBOUND, means=Means.DIALBACK),), Then.CONTINUE,
         {"checking": frozenset(), "proofs": {INBOUND: Means.DIALBACK}}),
    Case("the key is wrong", FEATURE, CHECKING, PairChecked(pair=INBOUND, valid=False), answer("invalid"),
         (PairRefused(pair=INBOUND, condition="invalid", text="the authoritative server did not make this key"),),
         Then.CLOSE, learns={"checking": frozenset()}),
    Case("the key is wrong, and another pair is proved", FEATURE,
         replace(CHECKING, proofs={inbound("external.test"): Means.EXTERNAL}),
         PairChecked(pair=INBOUND, valid=False), answer("invalid"),
         (PairRefused(pair=INBOUND, condition="invalid", text="the authoritative server did not make this key"),),
         learns={"checking": frozenset()}),
    Case("the key is wrong, and another one is being checked", FEATURE,
         replace(CHECKING, checking=frozenset({INBOUND, inbound("external.test")})),
         PairChecked(pair=INBOUND, valid=False), answer("invalid"),
         (PairRefused(pair=INBOUND, condition="invalid", text="the authoritative server did not make this key"),),
         learns={"checking": frozenset({inbound("external.test")})}),
    Case("nobody could say", FEATURE, CHECKING,
         PairChecked(pair=INBOUND, valid=None, condition="remote-server-timeout", text="too slow"),
         error("remote-server-timeout", "wait", "too slow"),
         (PairRefused(pair=INBOUND, condition="remote-server-timeout", text="too slow"),),
         learns={"checking": frozenset()}),
    Case("an answer that came too late", FEATURE, INBOUND_FACTS, PairChecked(pair=INBOUND, valid=True)),
    Case("h_01 valid, from one who should ask", FEATURE, CHECKING, "<db:result from='theirs.test' to='ours.test'"
         " type='valid'/>"),
    Case("h_01 the key is valid, from one who should ask", FEATURE, CHECKING, verify("valid", id_="id-1")),
]  # fmt: skip

ASKING = replace(OUTBOUND_FACTS, asked=frozenset({(INBOUND, "s")}))
ANSWERED = VerificationAnswered(pair=INBOUND, stream_id="s", valid=True, text="")
QUESTIONS_AND_ANSWERS = [
    Case("our key", FEATURE, INBOUND_FACTS, verify(key=KEYS.key(OUTBOUND, "s")),
         verify("valid", from_="ours.test", to="theirs.test"),
         (KeyAnswered(pair=OUTBOUND, known=True, valid=True),)),
    Case("not our key", FEATURE, INBOUND_FACTS, verify(key="x"), verify("invalid", from_="ours.test", to="theirs.test"),
         (KeyAnswered(pair=OUTBOUND, known=True, valid=False),)),
    Case("our key of another stream", FEATURE, INBOUND_FACTS, verify(key=KEYS.key(OUTBOUND, "t")),
         verify("invalid", from_="ours.test", to="theirs.test"),
         (KeyAnswered(pair=OUTBOUND, known=True, valid=False),)),
    Case("none of our domains", FEATURE, INBOUND_FACTS, verify(key="x", to="strange.test"),
         "<db:verify from='strange.test' to='theirs.test' type='error' id='s'><error type='cancel'><item-not-found"
         " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:verify>",
         (KeyAnswered(pair=OUTBOUND._replace(sender=Domain("strange.test")), known=False, valid=False),)),
    Case("in clear", FEATURE, replace(INBOUND_FACTS, tls=None), verify(key="x"), then=StreamCondition.POLICY_VIOLATION),
    Case("their key is valid", FEATURE, ASKING, verify("valid"), says=(ANSWERED,), learns={"asked": frozenset()}),
    Case("also where only questions are asked", QUESTIONS, ASKING, verify("valid"), says=(ANSWERED,),
         learns={"asked": frozenset()}),
    Case("their key is invalid", FEATURE, ASKING, verify("invalid"), says=(replace(ANSWERED, valid=False),),
         learns={"asked": frozenset()}),
    Case("they cannot say", FEATURE, ASKING, verify("error"),
         says=(replace(ANSWERED, valid=None, text="undefined-condition"),), learns={"asked": frozenset()}),
    Case("h_01 unasked", FEATURE, OUTBOUND_FACTS, verify("valid")),
    Case("h_01 another stream id", FEATURE, ASKING, verify("valid", id_="t")),
    Case("h_01 another sender", FEATURE, ASKING, verify("valid", from_="other.test")),
    Case("h_01 another target", FEATURE, ASKING, verify("valid", to="other.test")),
    Case("h_01 twice", FEATURE, replace(ASKING, asked=frozenset()), verify("valid")),
]  # fmt: skip


@pytest.mark.parametrize("offer", **named(OFFERS))
def test_it_is_offered(offer: Offer) -> None:
    offer.check()


@pytest.mark.parametrize("case", **named(INITIATING))
def test_initiating_server(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", **named(RECEIVING))
def test_receiving_server(case: Case) -> None:
    case.check()


@pytest.mark.parametrize("case", **named(QUESTIONS_AND_ANSWERS))
def test_authoritative_server_and_who_asks_it(case: Case) -> None:
    case.check()


def test_a_question_is_remembered_until_it_is_answered() -> None:
    step = FEATURE.ask(OUTBOUND_FACTS, INBOUND, "s", "key")
    assert step.facts == ASKING
    assert [str(output.serialize("", {}).decode()) for output in step.outputs] == [  # type: ignore[union-attr]
        "<verify xmlns='jabber:server:dialback' from='ours.test' to='theirs.test' id='s'>key</verify>"
    ]


def test_what_is_being_checked_is_bounded() -> None:
    facts = INBOUND_FACTS
    dialback = Dialback(KEYS, lambda domain: True, lambda pair: ANY)
    orders = []
    for number in range(300):
        element = Case("", dialback, facts, asserted(f"d{number}.test"))._step()
        assert element is not None
        facts = element.facts
        orders += [output for output in element.outputs if isinstance(output, VerifyPair)]
    assert len(orders) == len(facts.checking) == 100


def test_both_bounds_are_the_operators() -> None:
    dialback = Dialback(KEYS, lambda domain: True, lambda pair: ANY, DialbackBounds(pairs=3, checks=2))
    facts, told = replace(INBOUND_FACTS, proofs={inbound("d0.test"): Means.DIALBACK}), []
    for number in range(1, 5):
        step = Case("", dialback, facts, asserted(f"d{number}.test"))._step()
        assert step is not None
        facts = step.facts
        told += [output.condition for output in step.outputs if isinstance(output, PairRefused)]
    assert (len(facts.checking), told) == (2, ["resource-constraint"] * 2)


def test_proved_pairs_are_bounded() -> None:
    many = {inbound(f"d{number}.test"): Means.DIALBACK for number in range(1000)}
    step = Case("", FEATURE, replace(INBOUND_FACTS, proofs=many, certificate=GOOD), asserted())._step()
    assert step is not None
    assert step.facts.proofs == many
    assert [output.condition for output in step.outputs if isinstance(output, PairRefused)] == ["resource-constraint"]
