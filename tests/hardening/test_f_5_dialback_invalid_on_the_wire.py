"""F-5: an invalid dialback key closes the stream unless another pair stands on it (XEP-0220 §2.2.1)."""

from __future__ import annotations

import asyncio

from tests.features.test_8_1 import COMPONENT, DB, answers, under_tls
from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, dial
from tests.interop.scripted import Script, scripted
from tests.interop.world import World


async def _asserted(probe: Probe, script: Script, verdict: str) -> str | None:
    """Assert a pair whose authoritative server answers with this verdict; return what the gateway says about it."""
    authority = asyncio.create_task(answers(script, verdict))
    await probe.type(f"<db:result from='{script.domain}' to='{COMPONENT}'>0123</db:result>")
    answer = await probe.element()
    assert answer.tag == f"{DB}result"
    await authority
    return answer.get("type")


async def test_f_5_the_stream_is_closed_when_nothing_stands_on_it(gateway: Peer, world: World) -> None:
    """The only pair of a stream is found invalid: the initiating server gets the result, and the stream is closed."""
    async with scripted(world, "alone.f5.test") as script, dial(gateway.address, SERVER) as probe:
        await under_tls(gateway, probe, script.domain, COMPONENT)
        assert await _asserted(probe, script, "invalid") == "invalid"
        assert await probe.ended()


async def test_f_5_another_pair_keeps_the_stream(gateway: Peer, world: World) -> None:
    """A second pair is found invalid: the stanzas of the first go on, and those of the second are refused."""
    async with (
        scripted(world, "first.f5.test") as first,
        scripted(world, "second.f5.test") as second,
        attached(gateway) as component,
        dial(gateway.address, SERVER) as probe,
    ):
        await under_tls(gateway, probe, first.domain, COMPONENT)
        assert await _asserted(probe, first, "valid") == "valid"
        assert await _asserted(probe, second, "invalid") == "invalid"
        await probe.type(f"<message from='a@{first.domain}' to='b@{COMPONENT}'><body>still here</body></message>")
        await component.expect_message("still here")
