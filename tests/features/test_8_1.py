"""Feature 8-1: dialback in all three roles, as initiating, receiving and authoritative server, with errors, several
domain pairs on one stream and TLS first (XEP-0220, XEP-0185).

Four streams of this gateway talk to each other: one from the initiating to the receiving server, and one from the
receiving to the authoritative server.
"""

from __future__ import annotations

import pytest

from gateway.addresses import Domain, DomainPair
from gateway.dialback.keys import KeyMaker
from gateway.errors import StanzaCondition
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.starttls import StartTLS
from gateway.profiles import server_profile
from gateway.stream.events import PairChecked, PairRefused, PairVerified, VerificationAnswered, VerifyPair
from gateway.stream.facts import Facts, Means, Role, Terms
from gateway.stream.states import State
from tests.support.pair import Certificate, End, Pair, make_stream

CAPULET, MONTAGUE, FURTHER = Domain("capulet.test"), Domain("montague.test"), Domain("more.capulet.test")
PAIR, SECOND = DomainPair(CAPULET, MONTAGUE), DomainPair(FURTHER, MONTAGUE)
CAPULETS_SECRET, MONTAGUES_SECRET = KeyMaker(b"o" * 16), KeyMaker(b"w" * 16)
TERMS = Terms(means=(Means.DIALBACK,))


class Verona:
    """Capulet's server opens a stream to Montague's, which asks whoever is Capulet's authoritative server."""

    def __init__(self, *, forged: bool = False, bytewise: bool = False, refuses: tuple[Domain, ...] = ()) -> None:
        keys = KeyMaker(b"forged-forged-00") if forged else CAPULETS_SECRET
        self.capulets = Dialback(keys, lambda domain: domain in (CAPULET, FURTHER), lambda pair: TERMS)
        self.authority = Dialback(CAPULETS_SECRET, lambda domain: domain in (CAPULET, FURTHER), lambda pair: TERMS)
        self.montagues = Dialback(
            MONTAGUES_SECRET,
            lambda domain: domain == MONTAGUE,
            lambda pair: StanzaCondition.FORBIDDEN if pair.sender in refuses else TERMS,
        )
        self.sender = self._end(Role.INITIATING, CAPULET, MONTAGUE, self.capulets)
        self.receiver = self._end(Role.RECEIVING, None, None, self.montagues)
        self.receiver.answers[VerifyPair] = self._ask
        self.stream = Pair(self.sender, self.receiver, bytewise=bytewise)
        self._bytewise = bytewise
        self.asked = 0

    @staticmethod
    def _end(role: Role, local: Domain | None, remote: Domain | None, feature: Dialback | DialbackQuestions) -> End:
        facts = Facts(role=role, local=local, remote=remote, terms=TERMS)
        return End(make_stream(server_profile(StartTLS(), feature), facts), Certificate())

    def _ask(self, question: VerifyPair) -> PairChecked:
        """Receiving server, step 2: over a stream of its own, which proves nothing itself."""
        self.asked += 1
        asking = self._end(Role.INITIATING, MONTAGUE, question.pair.sender, DialbackQuestions(self.montagues))
        answering = self._end(Role.RECEIVING, None, None, self.authority)
        way = Pair(asking, answering, bytewise=self._bytewise)
        way.start()
        order = asking.stream.perform(
            lambda facts: self.montagues.ask(facts, question.pair, question.stream_id, question.key)
        )
        way.took(asking, order)
        way.settle()
        (answer,) = [output for output in asking.outputs if isinstance(output, VerificationAnswered)]
        assert (answer.pair, answer.stream_id) == (question.pair, question.stream_id)
        return PairChecked(pair=answer.pair, valid=answer.valid, condition="remote-server-not-found")

    def prove(self, pair: DomainPair) -> None:
        """Capulet's server asserts a further pair on its stream."""
        self.stream.took(self.sender, self.sender.stream.perform(lambda facts: self.capulets.assert_pair(facts, pair)))
        self.stream.settle()

    @property
    def proved(self) -> tuple[set[DomainPair], set[DomainPair]]:
        return set(self.sender.stream.facts.proofs), set(self.receiver.stream.facts.proofs)


@pytest.fixture(params=[False, True], ids=["whole", "byte by byte"])
def bytewise(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_the_right_key_proves_the_pair_to_both(bytewise: bool) -> None:
    verona = Verona(bytewise=bytewise)
    verona.stream.start()
    assert verona.proved == ({PAIR}, {PAIR})
    for end in (verona.sender, verona.receiver):
        assert PairVerified(pair=PAIR, means=Means.DIALBACK) in end.outputs
        assert end.stream.state is State.ESTABLISHED
        assert end.stream.facts.encrypted


def test_a_forged_key_proves_nothing(bytewise: bool) -> None:
    verona = Verona(forged=True, bytewise=bytewise)
    verona.stream.start()
    assert verona.proved == (set(), set())
    for end in (verona.sender, verona.receiver):
        assert [(output.pair, output.condition) for output in end.outputs if isinstance(output, PairRefused)] == [
            (PAIR, "invalid")
        ]
    assert not verona.sender.stream.is_open


def test_further_pairs_are_proved_each_for_itself(bytewise: bool) -> None:
    verona = Verona(bytewise=bytewise)
    verona.stream.start()
    verona.prove(SECOND)
    assert verona.proved == ({PAIR, SECOND}, {PAIR, SECOND})
    assert verona.asked == 2
    assert not verona.receiver.stream.facts.proves(PAIR.reversed())


def test_a_further_pair_that_is_refused_leaves_the_first(bytewise: bool) -> None:
    verona = Verona(bytewise=bytewise, refuses=(FURTHER,))
    verona.stream.start()
    verona.prove(SECOND)
    assert verona.proved == ({PAIR}, {PAIR})
    assert verona.sender.stream.is_established
    assert verona.receiver.stream.is_established
    refused = [output for output in verona.sender.outputs if isinstance(output, PairRefused)]
    assert [(each.pair, each.condition) for each in refused] == [(SECOND, "forbidden")]


def test_a_domain_that_the_authoritative_server_does_not_know_is_an_error() -> None:
    verona = Verona()
    verona.stream.start()
    verona.authority = Dialback(CAPULETS_SECRET, lambda domain: False, lambda pair: TERMS)
    verona.prove(SECOND)
    assert verona.proved == ({PAIR}, {PAIR})
    (refused,) = [output for output in verona.sender.outputs if isinstance(output, PairRefused)]
    assert refused.condition == "remote-server-not-found"


def test_no_key_travels_before_tls() -> None:
    verona = Verona()
    verona.stream.start()
    sent = b"".join(verona.sender.written)
    in_clear, protected = sent.split(b"<starttls", 1)
    assert b"<db:result" not in in_clear
    assert b"<db:result" in protected


def test_the_key_is_that_of_the_pair_and_of_the_stream_under_tls() -> None:
    verona = Verona()
    verona.stream.start()
    key = CAPULETS_SECRET.key(PAIR, verona.receiver.stream.facts.stream_id)
    assert f"<db:result from='capulet.test' to='montague.test'>{key}</db:result>".encode() in verona.sender.written
