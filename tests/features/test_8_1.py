"""Feature 8-1: dialback in all three roles, as initiating, receiving and authoritative server, with errors, several
domain pairs on one stream and TLS first (XEP-0220, XEP-0185).

First four streams of this gateway talk to each other: one from the initiating to the receiving server, and one from
the receiving to the authoritative server. Then each role is tried on the wire by a server that is typed by hand, and
all of them by real servers.
"""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

import pytest

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback, DialbackQuestions
from gateway.features.starttls import StartTLS
from gateway.stream.events import PairChecked, PairRefused, PairVerified, VerificationAnswered, VerifyPair
from gateway.stream.facts import Means, Role, ServerFacts, Terms
from gateway.stream.profiles import server_profile
from gateway.stream.states import State
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition
from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.scripted import DB, DIALBACK, Script, scripted
from tests.interop.world import World
from tests.support.pair import Certificate, End, Pair, make_stream
from tests.support.throwaway_ca import self_signed

CAPULET, MONTAGUE, FURTHER = Domain("capulet.test"), Domain("montague.test"), Domain("more.capulet.test")
PAIR, SECOND = DomainPair(CAPULET, MONTAGUE), DomainPair(FURTHER, MONTAGUE)
CAPULETS_SECRET, MONTAGUES_SECRET = KeyMaker(b"o" * 16), KeyMaker(b"w" * 16)
TERMS = Terms(means=(Means.DIALBACK,))
COMPONENT = "component.gateway.test"


class Verona:
    """Capulet's server opens a stream to Montague's, which asks the authoritative server of Capulet."""

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
        facts = ServerFacts(role=role, local=local, remote=remote, terms=TERMS)
        return End(make_stream(server_profile(StartTLS(), feature), facts), Certificate())

    def _ask(self, question: VerifyPair) -> PairChecked:
        """Receiving server, step 2: over its own stream, which proves nothing itself."""
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


# On the wire.


async def asked(probe: Probe, domain: str, target: str, stream_id: str, key: str) -> str | None:
    """As a receiving server: what the gateway, as authoritative server, says about a key."""
    await probe.type(f"<db:verify from='{domain}' to='{target}' id='{stream_id}'>{key}</db:verify>")
    answer = await probe.element()
    assert (answer.tag, answer.get("from"), answer.get("to")) == (f"{DB}verify", target, domain)
    assert answer.get("id") == stream_id
    return answer.get("type")


async def under_tls(gateway: Peer, probe: Probe, domain: str, target: str) -> Element:
    """As an initiating server, without a certificate; returns the header that answers ours."""
    await probe.open(domain, target)
    await probe.element()
    await probe.secure(client_tls(), target)
    opened = await probe.open(domain, target)
    await probe.element()
    return opened


async def answers(script: Script, verdict: str) -> Element:
    """As the authoritative server of a domain: answer one question; returns it."""
    probe = await script.encrypted("")
    question = await probe.element()
    assert question.tag == f"{DB}verify"
    ends = f"from='{question.get('to')}' to='{question.get('from')}' id='{question.get('id')}'"
    await probe.type(f"<db:verify {ends} type='{verdict}'/>")
    return question


# Initiating and authoritative server, on the wire.


async def test_our_key_is_one_that_we_vouch_for_on_that_stream_and_no_other(gateway: Peer, world: World) -> None:
    async with scripted(world, "receiving.test") as script, attached(gateway) as component:
        component.send_message("anybody@receiving.test", "Art thou there?")
        probe = await script.encrypted(DIALBACK)
        assertion = await probe.element()
        assert (assertion.tag, assertion.get("from"), assertion.get("to")) == (
            f"{DB}result",
            COMPONENT,
            "receiving.test",
        )
        key = assertion.text or ""
        async with dial(gateway.address, SERVER) as question:
            await under_tls(gateway, question, "receiving.test", COMPONENT)
            assert await asked(question, "receiving.test", COMPONENT, "1", key) == "valid"
            assert await asked(question, "receiving.test", COMPONENT, "2", key) == "invalid"
            assert await asked(question, "another.test", COMPONENT, "1", key) == "invalid"
            assert await asked(question, "receiving.test", "gateway.test", "1", key) == "invalid"
            assert await asked(question, "receiving.test", COMPONENT, "1", "0" * len(key)) == "invalid"
            assert await asked(question, "receiving.test", "nobody.test", "1", key) == "error"
        await probe.type(f"<db:result from='receiving.test' to='{COMPONENT}' type='valid'/>")
        assert (await probe.element()).findtext("{jabber:server}body") == "Art thou there?"


@pytest.mark.parametrize(
    "refusal",
    [
        "type='invalid'/>",
        "type='error'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
        "</db:result>",
    ],
    ids=["invalid", "error"],
)
async def test_who_is_not_accepted_tells_the_sender_and_sends_nothing(
    gateway: Peer, world: World, refusal: str
) -> None:
    domain = f"{'error' if 'error' in refusal else 'invalid'}.refusing-8-1.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "A secret")
        probe = await script.encrypted(DIALBACK)
        await probe.element()
        await probe.type(f"<db:result from='{domain}' to='{COMPONENT}' {refusal}")
        condition = "remote-server-timeout" if "error" in refusal else "internal-server-error"
        assert await component.expect_error(lost) == condition
        assert b"A secret" not in probe.received


# Receiving server, on the wire.


@pytest.mark.parametrize("verdict", ["valid", "invalid"])
async def test_who_comes_to_us_is_let_in_by_what_its_own_server_says(gateway: Peer, world: World, verdict: str) -> None:
    domain = f"{verdict}.initiating.test"
    async with (
        scripted(world, domain) as script,
        attached(gateway) as component,
        dial(gateway.address, SERVER) as probe,
    ):
        opened = await under_tls(gateway, probe, domain, COMPONENT)
        authority = asyncio.create_task(answers(script, verdict))
        await probe.type(f"<db:result from='{domain}' to='{COMPONENT}'>0123</db:result>")
        answer = await probe.element()
        assert (answer.tag, answer.get("type")) == (f"{DB}result", verdict)
        assert (answer.get("from"), answer.get("to")) == (COMPONENT, domain)
        question = await authority
        assert (question.text, question.get("id")) == ("0123", opened.get("id"))
        await probe.type(f"<message from='a@{domain}' to='b@{COMPONENT}' type='chat'><body>Let me in</body></message>")
        if verdict == "valid":
            await component.expect_message("Let me in")
        else:
            await probe.type("</stream:stream>")
            assert await probe.ended()


async def test_two_domains_are_proved_on_one_stream_each_for_itself(gateway: Peer, world: World) -> None:
    async with (
        scripted(world, "first.pairs.test") as first,
        scripted(world, "second.pairs.test") as second,
        attached(gateway) as component,
        dial(gateway.address, SERVER) as probe,
    ):
        await under_tls(gateway, probe, "first.pairs.test", COMPONENT)
        for script, verdict in ((first, "valid"), (second, "valid")):
            authority = asyncio.create_task(answers(script, verdict))
            await probe.type(f"<db:result from='{script.domain}' to='{COMPONENT}'>0123</db:result>")
            assert (await probe.element()).get("type") == verdict
            await authority
        for script in (first, second):
            sender = f"a@{script.domain}"
            text = f"I am of {script.domain}"
            await probe.type(f"<message from='{sender}' to='b@{COMPONENT}' type='chat'><body>{text}</body></message>")
            await component.expect_message(text)


async def test_a_domain_that_is_not_here_is_an_error_and_leaves_the_stream(gateway: Peer, world: World) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await under_tls(gateway, probe, "asking.test", "gateway.test")
        await probe.type("<db:result from='asking.test' to='nobody.test'>0123</db:result>")
        answer = await probe.element()
        assert answer.get("type") == "error"
        assert answer.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None
        assert await asked(probe, "asking.test", "gateway.test", "1", "0123") == "invalid"  # it lives on


# All roles, with real servers.


async def test_real_servers_and_we_prove_ourselves_to_each_other(start: Starter, peer: Peer) -> None:
    theirs = peer.site.domains[0]
    domain = f"uncertified.{theirs}"
    ours = start(
        Gateway,
        domain,
        certificate=self_signed(domain),
        options={"peers": {"any": {"authenticate": ["dialback"]}}},
    )
    async with user(peer, "romeo") as romeo:
        romeo.send_message(f"anybody@{domain}", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert set(ours.proofs(theirs)) == {"dialback"}
    assert set(peer.proofs(domain)) == {"dialback"}
