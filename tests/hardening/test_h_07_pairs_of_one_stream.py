"""H-07: of the domain pairs on one stream each needs its own proof, and a refused one leaves the others.

The part of the stream: which pairs are proved. A stanza of any other pair is for policy to refuse.
"""

from __future__ import annotations

from itertools import product

import pytest

from gateway.routing.policy import DomainRule, Domains, refuse_inbound
from gateway.stream.events import PairChecked
from gateway.stream.facts import Role, Terms
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition, StreamCondition, StreamError
from tests.support.talk import INBOUND, OURS, OUTBOUND, Talk, header, message, proved, server_features, under_tls
from tests.support.trees import stanza

SECOND = DomainPair(Domain("more.theirs.test"), OURS)
DOMAINS = Domains({OURS: DomainRule(), Domain("more.ours.test"): DomainRule()})


def asserted(sender: str, target: str = "ours.test") -> str:
    return f"<db:result from='{sender}' to='{target}'>key</db:result>"


def two_pairs(*, second: bool | None) -> Talk:
    talking = under_tls(certificate=None).hear(header(), asserted("theirs.test"), asserted("more.theirs.test"))
    talking.answer(PairChecked(pair=SECOND, valid=second, condition="remote-server-timeout"))
    return talking.answer(PairChecked(pair=INBOUND, valid=True))


@pytest.mark.parametrize(("verdict", "proofs"), [(True, {INBOUND, SECOND}), (False, {INBOUND}), (None, {INBOUND})])
def test_h_07_each_pair_stands_for_itself(verdict: bool | None, proofs: set[DomainPair]) -> None:
    talking = two_pairs(second=verdict)
    assert set(talking.stream.facts.proofs) == proofs
    assert talking.stream.is_established
    assert message().encode() in talking.hear(message()).said


@pytest.mark.parametrize("condition", StanzaCondition)
def test_h_07_a_pair_that_policy_refuses_leaves_the_others(condition: StanzaCondition) -> None:
    profile = server_features(Role.RECEIVING, lambda pair: Terms() if pair == INBOUND else condition)
    talking = under_tls(certificate=None, profile=profile).hear(header(), asserted("theirs.test"))
    talking.answer(PairChecked(pair=INBOUND, valid=True)).forget().hear(asserted("more.theirs.test"))
    assert f"<{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" in talking.sent.decode()
    assert set(talking.stream.facts.proofs) == {INBOUND}
    assert talking.stream.is_established


def test_h_07_a_pair_of_ours_that_they_refuse_leaves_the_others() -> None:
    further = OUTBOUND._replace(sender=Domain("more.ours.test"))
    talking = proved(Role.INITIATING, asserted=frozenset({further}))
    talking.hear("<db:result from='theirs.test' to='more.ours.test' type='invalid'/>")
    assert set(talking.stream.facts.proofs) == {OUTBOUND}
    assert talking.stream.is_established


SENDERS = ("theirs.test", "more.theirs.test", "evil.test", "ours.test")
TARGETS = ("ours.test", "more.ours.test", "strange.test")


@pytest.mark.parametrize(("sender", "target"), list(product(SENDERS, TARGETS)))
def test_h_07_a_stanza_passes_for_a_proved_pair_alone(sender: str, target: str) -> None:
    """As the owner of the stream treats it: the pair is among the proofs, or policy says why not."""
    facts = two_pairs(second=True).stream.facts
    sent = stanza(f"<message from='u@{sender}' to='u@{target}'/>")
    if DomainPair(Domain(sender), Domain(target)) in facts.admitted:
        assert (sender, target) in {("theirs.test", "ours.test"), ("more.theirs.test", "ours.test")}
        return
    with pytest.raises(StreamError) as raised:
        refuse_inbound(sent, facts, DOMAINS)
    proved_sender = sender in ("theirs.test", "more.theirs.test")
    unknown = proved_sender and target == "strange.test"
    assert raised.value.condition is (StreamCondition.HOST_UNKNOWN if unknown else StreamCondition.INVALID_FROM)


def test_h_07_no_pair_is_proved_backwards() -> None:
    facts = two_pairs(second=True).stream.facts
    assert not facts.proves(INBOUND.reversed())
    assert INBOUND.reversed() not in facts.admitted
