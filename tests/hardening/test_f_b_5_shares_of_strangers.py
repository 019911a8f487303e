"""B-5, B-9: strangers who have us verify keys get a share by address and by domain; our own questions go first."""

from __future__ import annotations

from random import Random

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.names import dns

from gateway.federation.backoff import Backoff, Waits
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.verification import KeyVerifier
from gateway.federation.verification_places import Asker, VerificationPlaces
from gateway.net.dns.answers import DNSAnswer, DNSQuestion, LookupOutcome
from gateway.net.dns.questions import DNSQuestions, ResolverBounds
from gateway.net.dns.resolver import Resolver
from gateway.stream.events import PairChecked, VerifyPair
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.dns import Table

OURS = Domain("ours.test")


class Silent:
    """Nameservers that never answer about one domain, and at once about every other."""

    def __init__(self, mute: str) -> None:
        self.mute = mute
        self.asked: list[str] = []
        self.waiting: list[Deferred[None]] = []

    def give_up(self) -> None:
        """Let all questions end, those that come meanwhile, too."""
        self.mute = "nothing"
        for wait in self.waiting:
            wait.callback(None)

    async def ask(self, query: dns.Query) -> dns.Message:
        name = query.name.name.decode()
        self.asked.append(name)
        if name.endswith(self.mute):
            self.waiting.append(Deferred())
            await self.waiting[-1]
        return dns.Message(answer=1, rCode=dns.ENAME)


def test_f_b_5_our_own_questions_are_asked_while_strangers_wait_for_a_silent_nameserver() -> None:
    """A thousand questions about a mute domain leave room for ours, and for those about other domains."""
    nameservers = Silent("evil.test")
    questions = DNSQuestions(Clock(), nameservers, ResolverBounds())
    for number in range(1000):
        questions.ask(DNSQuestion(kind="A", name=f"n{number}.evil.test"), 20, for_strangers=True)
    answers: list[DNSAnswer] = []
    questions.ask(DNSQuestion(kind="A", name="friend.test"), 20).answer.addCallback(answers.append)
    questions.ask(DNSQuestion(kind="A", name="other.test"), 20, for_strangers=True).answer.addCallback(answers.append)
    assert [answer.question.name for answer in answers] == ["friend.test", "other.test"]
    nameservers.give_up()


@pytest.mark.parametrize("bounds", [ResolverBounds(), ResolverBounds(under_way=100)], ids=["places", "under way"])
def test_f_b_5_many_mute_domains_leave_room_for_our_own_question(bounds: ResolverBounds) -> None:
    """Strangers that spread their questions over two thousand mute domains leave a quarter of the places to us."""
    nameservers = Silent(".mute")
    questions = DNSQuestions(Clock(), nameservers, bounds)
    for number in range(2000):
        questions.ask(DNSQuestion(kind="A", name=f"n{number}.mute"), 20, for_strangers=True)
    answers: list[DNSAnswer] = []
    questions.ask(DNSQuestion(kind="A", name="friend.test"), 20).answer.addCallback(answers.append)
    assert [answer.outcome for answer in answers] == [LookupOutcome.NO_NAME]
    nameservers.give_up()


def test_f_b_5_a_question_that_is_ours_as_well_does_not_wait_behind_strangers() -> None:
    """A question that a stranger asked first moves up when it is ours as well."""
    nameservers = Silent("evil.test")
    questions = DNSQuestions(Clock(), nameservers, ResolverBounds(at_once=4))
    for number in range(100):
        questions.ask(DNSQuestion(kind="A", name=f"n{number}.evil.test"), 20, for_strangers=True)
    wanted = DNSQuestion(kind="A", name="n99.evil.test")
    questions.ask(wanted, 20)
    assert wanted.name in nameservers.asked
    nameservers.give_up()


def test_f_b_5_one_address_and_one_domain_have_a_share_of_the_verifications() -> None:
    """Twelve streams of one address take a tenth; all strangers leave a quarter to those who have proved something."""
    places = VerificationPlaces(1000)
    taken = [places.take(Asker(address="192.0.2.1", is_proved=False), f"{n}.n{n}.test", 0) for n in range(500)]
    assert taken.count("") == 100
    assert "192.0.2.1" in taken[-1]
    taken = [places.take(Asker(address=f"10.0.0.{n}", is_proved=False), f"n{n}.evil.test", 0) for n in range(200)]
    assert taken.count("") == 100
    taken = [places.take(Asker(address=f"10.1.0.{n}", is_proved=False), f"{n}.test{n}", 0) for n in range(1000)]
    assert taken.count("") == 550
    taken = [places.take(Asker(address="192.0.2.1", is_proved=True), "good.test", 0) for _ in range(1000)]
    assert taken.count("") == 125
    taken = [places.take(Asker(), f"{n}.test", 0) for n in range(1000)]
    assert taken.count("") == 125


def test_f_b_5_the_keys_of_one_address_in_a_minute_are_limited_as_its_connections_are() -> None:
    """An address that has proved nothing has one minute's worth, and any number where connections are not limited."""
    asker = Asker(address="192.0.2.1", is_proved=False)

    def verified(per_minute: float) -> int:
        places = VerificationPlaces(1000, per_minute)
        taken = [places.take(asker, f"n{n}.test", now=1000) for n in range(100)]
        return taken.count("")

    assert verified(60) == 60
    assert verified(0) == 100


def test_f_b_9_a_server_that_could_not_be_asked_is_not_asked_again_at_once() -> None:
    """Assertions under one name open one stream, and then wait longer and longer."""

    class Opener:
        opened = 0

        def open(self, *_: object, **__: object) -> Deferred[object]:
            self.opened += 1
            return fail(DeliveryFailed("refused"))

    opener, clock = Opener(), Clock()
    backoff = Backoff(Waits(first=5, longest=300), Random(1))
    places = VerificationPlaces(1000)
    verifier = KeyVerifier(opener, lambda pair: None, places, clock, backoff)  # type: ignore[arg-type]
    checked: list[PairChecked] = []
    for _ in range(1000):
        order = VerifyPair(pair=DomainPair(Domain("victim.test"), OURS), stream_id="s", key="k")
        verifier.verify(order, Asker(address="192.0.2.1", is_proved=False)).addCallback(checked.append)
        clock.advance(0.5)
    assert len(checked) == 1000
    assert {each.condition for each in checked} == {"remote-server-timeout"}
    assert opener.opened <= 12


def test_f_b_9_a_question_of_strangers_leads_to_few_targets() -> None:
    """Of sixteen targets with eight addresses each, two of two are left."""
    records = {
        "_xmpp-server._tcp.evil.test": {"SRV": [f"{n} 0 5269 t{n}.evil.test" for n in range(16)]},
        **{f"t{n}.evil.test": {"A": [f"192.0.2.{8 * n + m + 1}" for m in range(8)]} for n in range(16)},
    }
    resolver = Resolver(Clock(), asks=Table(records), hosts_file="/dev/null")

    def addresses(*, for_strangers: bool) -> int:
        found: list[int] = []
        work = resolver.resolve("evil.test", for_strangers=for_strangers)
        Deferred.fromCoroutine(work).addCallback(
            lambda resolution: found.append(sum(len(target.addresses) for target in resolution.targets))
        )
        return found[0]

    assert addresses(for_strangers=False) == 128
    assert addresses(for_strangers=True) == 4
