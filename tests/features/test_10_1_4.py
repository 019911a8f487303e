"""Feature 10.1-4: what leaves us is from one of our domains, on a stream that was opened for it (RFC 6120 §8.1.2.2)."""

from __future__ import annotations

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.probe import SASL, Probe
from tests.interop.scripted import EXTERNAL, SUCCESS, Script, scripted
from tests.interop.world import World

BELOW = "rooms.component.gateway.test"


async def test_each_domain_has_a_stream_that_says_so(world: World, gateway: Peer) -> None:
    async with scripted(world, "careful-10-1-4.test") as script, attached(gateway) as component:
        for sender in (f"nurse@{component.jid}", f"hall@{BELOW}"):
            component.send_message("anybody@careful-10-1-4.test", "Hi", sender=sender)
            probe, opened = await opened_by(script)
            message = await probe.element()
            assert message.get("from") == sender
            assert opened == sender.partition("@")[2]


async def opened_by(script: Script) -> tuple[Probe, str | None]:
    """The next stream, established, and who opened it says that it is."""
    probe = await script.encrypted(EXTERNAL)
    assert (await probe.element()).tag == f"{{{SASL}}}auth"
    await probe.type(SUCCESS)
    probe.restart()
    return probe, (await script.greet(probe, "")).get("from")
