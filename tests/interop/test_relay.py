"""A Prosody behind us, an ejabberd outside: each reaches the other only through us, and neither need know it.

The Prosody's names all lead to our inside door, and the relayed domain's name leads everybody else to our outside door.
There is no certificate for the world inside, so everybody is proved by dialback there, with our keys.
"""

from __future__ import annotations

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.names import Nameserver
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import INSIDE, SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.world import World

PING = "<ping xmlns='urn:xmpp:ping'/>"
RELAYED = "inside.test"
DB = "{jabber:server:dialback}"


@pytest.fixture(scope="module")
def view(world: World) -> Nameserver:
    """The internet as the server behind us sees it."""
    return world.view()


@pytest.fixture(scope="module")
def inside(start_all: Starter, view: Nameserver) -> Peer:
    """The server behind us."""
    return start_all(Prosody, RELAYED, view=view)


@pytest.fixture(scope="module")
def border(world: World, start_all: Starter, inside: Peer, view: Nameserver, ejabberd: Peer) -> Peer:
    """The gateway between."""
    relay = {
        "serve": "relay",
        "connect": f"tcp:{inside.address}:{SERVER}",
        "certificate": str(world.bundle(world.authority.issue(RELAYED))),
        "require_tls": False,
        "authenticate": ["dialback"],
    }
    options = {"domains": {RELAYED: relay}, "peers": {"forbidden.test": {"allow": False}}}
    border = start_all(Gateway, "border.test", components={"component.border.test": "secret"}, options=options)
    world.nameserver.publish(border.address, RELAYED)
    outside = [*border.site.domains, *border.site.components, *ejabberd.site.domains, *ejabberd.site.components]
    view.publish(border.address, *outside, "probe.test", "forbidden.test", port=INSIDE)
    return border


# The world and the relayed server.


async def test_messages_pass_both_ways(border: Peer, inside: Peer, ejabberd: Peer) -> None:
    async with user(inside, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        romeo.send_message(juliet.jid, "She speaks:")
        assert (await juliet.expect_message("She speaks:"))["from"] == romeo.jid
        juliet.send_message(romeo.jid, "Ay me!")
        assert (await romeo.expect_message("Ay me!"))["from"] == juliet.jid
    assert set(ejabberd.proofs(RELAYED)) == {"external"}  # by our certificate for the relayed domain
    assert set(inside.proofs("ejabberd.test")) == {"dialback"}  # by our keys for everybody outside


async def test_requests_are_answered_both_ways(border: Peer, inside: Peer, ejabberd: Peer) -> None:
    async with user(inside, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        assert (await romeo.request("ejabberd.test", PING))["from"] == "ejabberd.test"
        assert (await juliet.request(RELAYED, PING))["from"] == RELAYED
        assert (await romeo.request(juliet.jid, PING))["from"] == juliet.jid
        assert (await juliet.request(romeo.jid, PING))["from"] == romeo.jid
        with pytest.raises(IqError) as error:
            await juliet.request(f"tybalt@{RELAYED}", "<query xmlns='jabber:iq:version'/>")
        assert condition(error.value.iq) == "service-unavailable"


async def test_presence_is_subscribed_and_seen_both_ways(border: Peer, inside: Peer, ejabberd: Peer) -> None:
    async with user(inside, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        for one, other in ((romeo, juliet), (juliet, romeo)):
            mine, theirs = one.xmpp.boundjid.bare, other.xmpp.boundjid.bare
            await one.xmpp.get_roster()
            one.xmpp.send_presence_subscription(theirs)
            await other.expect_presence("subscribe", mine)
            other.xmpp.send_presence_subscription(mine, ptype="subscribed")
            await one.expect_presence("subscribed", theirs)
            assert str((await one.expect_presence("available", theirs))["from"]) == other.jid
        romeo.xmpp.send_presence(ptype="unavailable")
        await juliet.expect_presence("unavailable", romeo.xmpp.boundjid.bare)


async def test_components_outside_and_users_inside_talk(border: Peer, inside: Peer, ejabberd: Peer) -> None:
    async with user(inside, "romeo") as romeo, attached(ejabberd) as component:
        romeo.send_message(f"nurse@{component.jid}", "Commend me to thy lady")
        heard = await component.expect_message("Commend me to thy lady")
        component.send_message(str(heard["from"]), "Anon!")
        await romeo.expect_message("Anon!")


# The relayed server and our own services.


async def test_our_own_services_are_there_for_the_relayed_server(border: Peer, inside: Peer) -> None:
    async with user(inside, "romeo") as romeo, attached(border) as component:
        romeo.send_message("anybody@border.test", "Ay me!")
        await romeo.expect_message("Ay me!")
        component.send_message(romeo.jid, "Madam calls")
        await romeo.expect_message("Madam calls")
        assert (await romeo.request(component.jid, PING))["from"] == component.jid


async def test_what_is_not_allowed_outside_is_not_allowed_through_us(border: Peer, inside: Peer) -> None:
    async with user(inside, "romeo") as romeo:
        lost = romeo.send_message("anybody@forbidden.test", "Art thou there?")
        assert (await romeo.expect_error(lost)).startswith("remote-server-")
    assert not [line for line in border.log().splitlines() if f"stream from {RELAYED} to forbidden.test" in line]


# Which side may use which port.


async def test_nobody_outside_may_use_the_inside_door(world: World, border: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(border.address, INSIDE) as probe:
        await probe.open("probe.test", "ejabberd.test")
        assert await probe.error() == "invalid-from"
    async with dial(border.address, INSIDE) as probe:
        await probe.open(RELAYED, "ejabberd.test")
        await probe.element()
        await probe.secure(client_tls(bundle), "ejabberd.test")
        await probe.open("probe.test", "ejabberd.test")
        assert await probe.error() == "invalid-from"


async def test_h_09_the_relayed_name_at_the_inside_door_needs_the_relayed_server(border: Peer, inside: Peer) -> None:
    async with dial(border.address, INSIDE) as probe:
        await probe.open(RELAYED, "ejabberd.test")
        await probe.element()
        assert await verdict(probe, RELAYED, "ejabberd.test") == "invalid"  # said the server behind us
        await probe.type(f"<message from='romeo@{RELAYED}' to='juliet@ejabberd.test'><body>forged</body></message>")
        await probe.type("</stream:stream>")
        assert await probe.ended()


@pytest.mark.parametrize("target", ["border.test", "component.border.test", RELAYED])
async def test_h_09_the_relayed_name_is_refused_outside(border: Peer, target: str) -> None:
    async with dial(border.address, SERVER) as probe:
        await probe.open(RELAYED, target)
        assert await probe.error() == "invalid-from"


async def test_h_09_the_relayed_name_is_refused_as_a_further_pair(world: World, border: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(border.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "border.test")
        await probe.type(f"<db:result from='{RELAYED}' to='border.test'>0123</db:result>")
        assert await probe.error() == "invalid-from"


async def test_h_08_nobody_outside_reaches_third_domains_by_us(world: World, border: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(border.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", RELAYED)
        await probe.type("<message from='a@probe.test' to='juliet@ejabberd.test'><body>third</body></message>")
        assert await probe.error() == "host-unknown"
    assert not [line for line in border.log().splitlines() if "stream from probe.test to ejabberd.test" in line]


async def verdict(probe: Probe, sender: str, target: str) -> str | None:
    """Return the answer to a dialback key that nobody made."""
    await probe.type(f"<db:result from='{sender}' to='{target}'>0123</db:result>")
    answer = await probe.element()
    assert answer.tag == f"{DB}result"
    return answer.get("type")


async def test_senders_outside_hear_when_the_relayed_server_is_down(
    world: World, start: Starter, ejabberd: Peer
) -> None:
    relay = {"serve": "relay", "connect": f"tcp:{world.address()}:{SERVER}", "require_tls": False}
    ours = start(Gateway, "quiet.test", options={"domains": {"down.test": relay}})
    world.nameserver.publish(ours.address, "down.test")
    async with user(ejabberd, "juliet") as juliet:
        lost = juliet.send_message("romeo@down.test", "Art thou there?")
        assert await juliet.expect_error(lost) == "remote-server-timeout"
