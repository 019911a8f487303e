"""H-40: an error is never answered by an error, and what was relayed cannot come back in."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World

UNANSWERABLE = [
    "<message type='error' from='{me}' to='{to}' id='never'><error type='cancel'/></message>",
    "<iq type='error' from='{me}' to='{to}' id='never'><error type='cancel'/></iq>",
    "<iq type='result' from='{me}' to='{to}' id='never'/>",
    "<presence type='error' from='{me}' to='{to}' id='never'><error type='cancel'/></presence>",
    "<presence from='{me}' to='{to}' id='never'/>",
    "<message type='error' from='{me}' to='@' id='never'><error type='cancel'/></message>",
]


@pytest.mark.parametrize(
    ("me", "to"), [("one.h40.test", "nobody@component.gateway.test"), ("two.h40.test", "x@gateway.test/y")]
)
async def test_an_error_gets_no_answer_and_a_request_one(world: World, gateway: Peer, me: str, to: str) -> None:
    bundle = world.bundle(world.authority.issue(me))
    target = to.partition("@")[2].partition("/")[0]
    async with scripted(world, me) as script, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), me, target)
        await probe.type("".join(stanza.format(me=me, to=to) for stanza in UNANSWERABLE))
        await probe.type(f"<iq type='get' from='{me}' to='{to}' id='asked'><query xmlns='urn:unknown'/></iq>")
        # Answers leave in the order in which they came up, so that this is the first means that it is the only one.
        answer = await (await script.established()).element()
        assert (answer.get("id"), answer.get("type")) == ("asked", "error")


async def test_two_gateways_that_relay_one_domain_to_each_other_do_not_play_ball(start: Starter) -> None:
    one, other = start(Gateway, "one.test", components={"component.one.test": "secret"}), start(Gateway, "other.test")
    for here, there in ((one, other), (other, one)):
        relay = {"serve": "relay", "connect": f"tcp:{there.address}:{SERVER}", "authenticate": ["external", "dialback"]}
        reconfigured(here, {"domains": {"ball.test": relay}})
    async with attached(one) as component:
        sent = component.send_message("anybody@ball.test", "Catch!")
        assert await component.expect_error(sent) == "remote-server-timeout"


def reconfigured(gateway: Peer, options: dict[str, object]) -> None:
    """Start a gateway again with further settings."""
    gateway.stop()
    object.__setattr__(gateway.site, "options", options)
    gateway.start()
