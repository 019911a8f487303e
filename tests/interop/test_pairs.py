"""Many domain pairs: of several of our domains, on one stream, from gateway to gateway (XEP-0220 §2.6)."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.clients import Component, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.scripted import DB, DIALBACK, scripted
from tests.interop.world import World
from tests.support.throwaway_ca import self_signed

PING = "<ping xmlns='urn:xmpp:ping'/>"


def streams(gateway: Peer, sender: str, target: str) -> list[str]:
    """The lines of the log that tell of established streams from one domain to another."""
    return [
        line
        for line in gateway.log().splitlines()
        if f"stream from {sender} " in line and f" to {target} " in line and "established in" in line
    ]


# Several of our domains.


async def test_several_domains_of_ours_talk_to_one_server_each_with_its_own_proof(start: Starter, peer: Peer) -> None:
    theirs = peer.site.domains[0]
    domains = [f"{name}.{theirs}" for name in ("rosaline", "livia", "valentine")]
    start(Gateway, *domains)
    async with user(peer, "romeo") as romeo:
        for domain in domains:  # one after the other: ejabberd's look-ups share one reading of the hosts file
            romeo.send_message(f"anybody@{domain}", f"Is this {domain}?")
            heard = await romeo.expect_message(f"Is this {domain}?")
            assert heard["from"] == f"anybody@{domain}"
    for domain in domains:
        assert set(peer.proofs(domain)) == {"external"}


# Several pairs on one stream, as another server would open it.


async def test_a_certificate_proves_further_pairs_of_its_domain(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "gateway.test")
        assert await asserted(probe, "pairs.test", component.jid) == "valid"
        await probe.type(message("a@pairs.test", component.jid, "By the same stream"))
        await component.expect_message("By the same stream")


async def test_a_refused_pair_leaves_the_others(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with (
        scripted(world, "liar.test") as script,
        attached(gateway) as component,
        dial(gateway.address, SERVER) as probe,
    ):
        await probe.prove(client_tls(bundle), "pairs.test", component.jid)
        asked = asyncio.create_task(asserted(probe, "liar.test", component.jid))
        authority = await script.encrypted("")
        question = await authority.element()
        assert question.tag == f"{DB}verify"
        await authority.type(
            f"<db:verify from='liar.test' to='{component.jid}' id='{question.get('id')}' type='invalid'/>"
        )
        assert await asked == "invalid"
        await probe.type(message("a@pairs.test", component.jid, "Still here"))
        await component.expect_message("Still here")


async def test_a_pair_towards_a_domain_that_is_not_ours_is_refused_alone(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "gateway.test")
        assert await asserted(probe, "pairs.test", "nobody.test") == "error"
        assert await asserted(probe, "pairs.test", "gateway.test") == "valid"


async def asserted(probe: Probe, sender: str, target: str) -> str | None:
    """The answer to a dialback key for a pair."""
    await probe.type(f"<db:result from='{sender}' to='{target}'>0123</db:result>")
    answer = await probe.element()
    assert (answer.tag, answer.get("from"), answer.get("to")) == (f"{DB}result", target, sender)
    return answer.get("type")


def message(sender: str, to: str, body: str) -> str:
    return f"<message from='{sender}' to='{to}' type='chat'><body>{body}</body></message>"


# Gateway to gateway.


@pytest.fixture(scope="module")
def capulet(start_all: Starter) -> Peer:
    """A gateway with good certificates, and a component."""
    return start_all(Gateway, "capulet.test", components={"nurse.capulet.test": "secret"}, direct_tls=True)


@pytest.fixture(scope="module")
def montague(start_all: Starter) -> Peer:
    """Another one."""
    return start_all(Gateway, "montague.test", components={"benvolio.montague.test": "secret"}, direct_tls=True)


async def test_gateways_prove_themselves_by_certificate(capulet: Peer, montague: Peer) -> None:
    async with attached(capulet) as nurse, attached(montague) as benvolio:
        nurse.send_message(benvolio.jid, "I desire some confidence with you")
        await benvolio.expect_message("I desire some confidence with you")
        benvolio.send_message(nurse.jid, "She will invite him to some supper")
        await nurse.expect_message("She will invite him to some supper")
        assert (await nurse.request("montague.test", PING))["from"] == "montague.test"
        assert (await benvolio.request("capulet.test", PING))["from"] == "capulet.test"
    assert set(capulet.proofs("benvolio.montague.test")) == {"external"}
    assert set(montague.proofs("nurse.capulet.test")) == {"external"}


async def test_gateways_carry_thousands_of_stanzas_in_order(capulet: Peer, montague: Peer) -> None:
    async with attached(capulet) as nurse, attached(montague) as benvolio:
        bodies = [f"Peter! {number}" for number in range(1000)]
        for body in bodies:
            nurse.send_message(benvolio.jid, body)
        assert [(await benvolio.expect_any_message())["body"] for _ in bodies] == bodies


async def test_gateways_share_one_stream_among_pairs_that_dialback_proves(world: World, start: Starter) -> None:
    ours = start(
        Gateway,
        "tybalt.test",
        components={"one.tybalt.test": "secret", "two.tybalt.test": "secret"},
        certificate=self_signed("tybalt.test", "one.tybalt.test", "two.tybalt.test"),
    )
    theirs = start(Gateway, "mercutio.test", certificate=self_signed("mercutio.test"))
    senders = [Component(domain, "secret", ours.at(COMPONENT)) for domain in ours.site.components]
    for sender in senders:  # the first opens the stream, the second finds it
        async with sender as component:
            component.send_message("anybody@mercutio.test", "A word with one of you")
            await component.expect_message("A word with one of you")
    assert len(streams(theirs, "one.tybalt.test", "mercutio.test")) == 1
    assert not streams(theirs, "two.tybalt.test", "mercutio.test")
    assert "proof of two.tybalt.test towards mercutio.test by dialback" in theirs.log()


# A further pair that another server leaves without an answer.


async def test_a_further_pair_without_an_answer_fails_alone_and_goes_over_a_new_stream_the_next_time(
    world: World, start: Starter
) -> None:
    peers = {"any": {"require_tls": False, "authenticate": ["dialback"], "connect_seconds": 3.0}}
    secrets = {"first.asks.test": "secret", "second.asks.test": "secret"}
    ours = start(Gateway, "asks.test", components=secrets, options={"peers": peers})
    first, second = [Component(domain, secret, ours.at(COMPONENT)) for domain, secret in secrets.items()]
    async with scripted(world, "forgetful.test") as script, first, second:
        first.send_message("anybody@forgetful.test", "Is the first heard?")
        probe = await script.connection()
        await script.greet(probe, DIALBACK)
        await validate(probe)
        assert (await probe.element()).findtext("{*}body") == "Is the first heard?"

        lost = second.send_message("anybody@forgetful.test", "Is the second?")
        assert (await probe.element()).get("from") == second.jid  # the key, on the same stream
        assert await second.expect_error(lost) == "remote-server-timeout"
        first.send_message("anybody@forgetful.test", "Is the first still heard?")
        assert (await probe.element()).findtext("{*}body") == "Is the first still heard?"

        ours.operate("retry", "forgetful.test")
        second.send_message("anybody@forgetful.test", "Is the second heard at last?")
        other = await script.connection()
        await script.greet(other, DIALBACK)
        await validate(other)
        assert (await other.element()).findtext("{*}body") == "Is the second heard at last?"


async def validate(probe: Probe) -> None:
    """Take a dialback key for valid."""
    asked = await probe.element()
    assert asked.tag == f"{DB}result"
    await probe.type(f"<db:result from='{asked.get('to')}' to='{asked.get('from')}' type='valid'/>")
