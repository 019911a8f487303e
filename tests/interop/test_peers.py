"""The control experiment: real servers among themselves, without the gateway.

When one of these fails, the environment is at fault (packages, names, certificates, loopback), not the gateway. Those
that start their own servers run in `make soak` only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.interop.clients import Client, LoginError, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Peer, Prosody
from tests.interop.peers.site import SERVER, SERVER_TLS
from tests.interop.probe import client_tls, dial
from tests.interop.world import World
from tests.support.throwaway_ca import Authority, Issued, self_signed

BIDI = "{urn:xmpp:features:bidi}bidi"
MECHANISM = "{urn:ietf:params:xml:ns:xmpp-sasl}mechanism"
SUCCESS = "{urn:ietf:params:xml:ns:xmpp-sasl}success"


def expired(authority: Authority, domain: str) -> Issued:
    return authority.issue(domain, ends=datetime.now(UTC) - timedelta(hours=1))


def for_another_name(authority: Authority, _: str) -> Issued:
    return authority.issue("another.test")


def unknown_issuer(_: Authority, domain: str) -> Issued:
    return self_signed(domain)


async def talk(one: Peer, other: Peer) -> None:
    """Romeo on one server and Juliet on another hear each other."""
    async with user(one, "romeo") as romeo, user(other, "juliet") as juliet:
        romeo.send_message(juliet.jid, "She speaks:")
        await juliet.expect_message("She speaks:")
        juliet.send_message(romeo.jid, "Ay me!")
        await romeo.expect_message("Ay me!")


async def bounce(sender: Client, to: str) -> str:
    """The condition with which a message to this address comes back."""
    return await sender.expect_error(sender.send_message(to, "Art thou there?"))


async def test_users_talk_across_servers_that_prove_themselves_by_certificate(prosody: Peer, ejabberd: Peer) -> None:
    await talk(prosody, ejabberd)
    assert set(ejabberd.proofs("prosody.test")) == {"external"}
    assert set(prosody.proofs("ejabberd.test")) == {"external"}


@pytest.mark.soak
@pytest.mark.parametrize("bad", [expired, for_another_name, unknown_issuer])
async def test_users_talk_across_servers_whose_certificates_leave_them_dialback(
    world: World, start: Starter, bad: Callable[[Authority, str], Issued]
) -> None:
    one = start(Prosody, "capulet.test", certificate=bad(world.authority, "capulet.test"))
    other = start(Ejabberd, "montague.test", certificate=bad(world.authority, "montague.test"))
    await talk(one, other)
    assert other.proofs("capulet.test") == ["dialback"]
    assert one.proofs("montague.test") == ["dialback"]


@pytest.mark.soak
@pytest.mark.parametrize("kind", [Prosody, Ejabberd])
async def test_two_servers_of_a_kind_run_at_once(start: Starter, kind: type[Peer]) -> None:
    await talk(start(kind, "verona.test"), start(kind, "mantua.test"))


@pytest.mark.soak
async def test_dialback_serves_where_there_is_no_tls(start: Starter) -> None:
    one, other = start(Prosody, "capulet.test", starttls=False), start(Ejabberd, "montague.test", starttls=False)
    await talk(one, other)
    assert (one.proofs("montague.test"), other.proofs("capulet.test")) == (["dialback"], ["dialback"])


async def test_a_component_talks_with_users_here_and_there(peer: Peer, prosody: Peer, ejabberd: Peer) -> None:
    async with attached(peer) as component, user(prosody, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        for person in (romeo, juliet):
            person.send_message(f"nurse@{component.jid}", f"I am {person.jid}")
            heard = await component.expect_message(f"I am {person.jid}")
            component.send_message(str(heard["from"]), "Anon!")
            await person.expect_message("Anon!")


async def test_ping_crosses_in_both_directions(prosody: Peer, ejabberd: Peer) -> None:
    async with user(prosody, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        for person, domain in ((romeo, "ejabberd.test"), (juliet, "prosody.test")):
            answer = await person.request(domain, "<ping xmlns='urn:xmpp:ping'/>")
            assert (answer["type"], answer["from"]) == ("result", domain)


@pytest.mark.soak
@pytest.mark.parametrize("kind", [Prosody, Ejabberd])
async def test_who_demands_certificates_refuses_a_server_without_a_good_one(
    start: Starter, prosody: Peer, ejabberd: Peer, kind: type[Peer]
) -> None:
    start(kind, "strict.test", require_certificates=True)
    weak = start(Prosody, "weak.test", certificate=self_signed("weak.test"))
    async with user(weak, "romeo") as romeo, user(prosody, "romeo") as trusted:
        assert await bounce(romeo, "nobody@strict.test") in ("remote-server-not-found", "remote-server-timeout")
        assert await bounce(trusted, "nobody@strict.test") == "service-unavailable"


@pytest.mark.soak
@pytest.mark.parametrize("kind", [Prosody, Ejabberd])
async def test_a_server_that_was_killed_is_found_again(start: Starter, prosody: Peer, kind: type[Peer]) -> None:
    mortal = start(kind, f"mortal.{kind.name.lower()}.test")
    nobody = f"nobody@{mortal.site.domains[0]}"
    async with user(prosody, "romeo") as romeo:
        assert await bounce(romeo, nobody) == "service-unavailable"
        mortal.kill()
        # What is written before the loss is noticed, is lost.
        gone = f"Destroying outgoing session prosody.test->{mortal.site.domains[0]}"
        prosody.wait_until(lambda: gone in prosody.log(), 5, "aware of it")
        assert (await bounce(romeo, nobody)).startswith("remote-server-")
        mortal.start()
        assert await bounce(romeo, nobody) == "service-unavailable"


@pytest.mark.soak
async def test_a_paused_server_answers_when_it_goes_on(start: Starter, prosody: Peer) -> None:
    slow = start(Prosody, "slow.test")
    async with user(prosody, "romeo") as romeo:
        slow.pause()
        message = romeo.send_message("nobody@slow.test", "Art thou there?")
        with pytest.raises(AssertionError, match="for nothing"):
            await romeo.expect_error(message, timeout=0.5)
        slow.resume()
        assert await romeo.expect_error(message) == "service-unavailable"


async def test_a_wrong_password_is_refused(peer: Peer) -> None:
    with pytest.raises(LoginError, match="not-authorized"):
        async with user(peer, "romeo", "Benvolio"):
            pass


async def test_a_raw_stream_proves_itself_by_certificate(world: World, peer: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    domain = peer.site.domains[0]
    async with dial(peer.address, SERVER) as probe:
        assert (await probe.open("probe.test", domain)).get("from") == domain
        await probe.element()
        await probe.secure(client_tls(bundle), domain)
        await probe.open("probe.test", domain)
        features = await probe.element()
        assert [mechanism.text for mechanism in features.iter(MECHANISM)] == ["EXTERNAL"]
        assert (await probe.authenticate("probe.test")).tag == SUCCESS
        await probe.open("probe.test", domain)
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_direct_tls_carries_a_stream(world: World, peer: Peer) -> None:
    bundle, domain = world.bundle(world.authority.issue("probe.test")), peer.site.domains[0]
    async with dial(peer.address, SERVER_TLS, context=client_tls(bundle), server_name=domain) as probe:
        assert (await probe.open("probe.test", domain)).get("from") == domain
        assert (await probe.element()).find(f".//{MECHANISM}") is not None


@pytest.mark.soak
@pytest.mark.parametrize("bidi", [True, False])
async def test_bidi_is_offered_when_it_is_asked_for(start: Starter, bidi: bool) -> None:
    server = start(Prosody, "two-way.test", bidi=bidi)
    async with dial(server.address, SERVER) as probe:
        await probe.open("probe.test", "two-way.test")
        assert ((await probe.element()).find(BIDI) is not None) == bidi
