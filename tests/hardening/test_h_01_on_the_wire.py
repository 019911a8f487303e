"""H-01: answers to dialback that nobody asked for change nothing (XEP-0220 §2.1, CVE-2012-3525)."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.scripted import DB, DIALBACK, scripted
from tests.interop.world import World

LIAR = "liar.test"
STANZA = f"<message from='a@{LIAR}' to='component.gateway.test'><body>forged</body></message>"


@pytest.mark.parametrize(
    "answer",
    [
        f"<db:result from='gateway.test' to='{LIAR}' type='valid'/>",
        f"<db:result from='{LIAR}' to='gateway.test' type='valid'/>",
        f"<db:verify from='{LIAR}' to='gateway.test' id='ID' type='valid'/>",
        f"<db:verify from='gateway.test' to='{LIAR}' id='ID' type='valid'/>",
    ],
)
async def test_an_unasked_answer_lets_nobody_in(gateway: Peer, answer: str) -> None:
    async with dial(gateway.address, SERVER) as probe:
        opened = await probe.open(LIAR, "gateway.test")
        await probe.element()
        await probe.type(answer.replace("ID", opened.get("id", "")) + STANZA)
        assert await probe.error() == "not-authorized"


@pytest.mark.parametrize(
    ("number", "answer"),
    [
        (0, "from='LIAR' to='component.gateway.test' id='another' type='valid'"),
        (1, "from='other.test' to='component.gateway.test' id='ID' type='valid'"),
        (2, "from='LIAR' to='gateway.test' id='ID' type='valid'"),
    ],
)
async def test_only_the_answer_to_the_very_question_counts(
    world: World, gateway: Peer, number: int, answer: str
) -> None:
    liar = f"liar-{number}.test"
    async with scripted(world, liar) as script, dial(gateway.address, SERVER) as probe:
        asked = asyncio.create_task(asserted(probe, liar))
        authority = await script.encrypted("")
        stream_id = (await authority.element()).get("id", "")
        await authority.type(f"<db:verify {answer.replace('ID', stream_id).replace('LIAR', liar)}/>")
        await authority.type(f"<db:verify from='{liar}' to='component.gateway.test' id='{stream_id}' type='invalid'/>")
        assert await asked == "invalid"


async def test_the_answer_counts_only_on_the_stream_of_the_question(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("accomplice.test"))
    async with scripted(world, LIAR) as script, dial(gateway.address, SERVER) as probe:
        asked = asyncio.create_task(asserted(probe, LIAR))
        authority = await script.encrypted("")
        stream_id = (await authority.element()).get("id", "")
        async with dial(gateway.address, SERVER) as accomplice:
            await accomplice.prove(client_tls(bundle), "accomplice.test", "gateway.test")
            await accomplice.type(
                f"<db:verify from='{LIAR}' to='component.gateway.test' id='{stream_id}' type='valid'/></stream:stream>"
            )
            assert await accomplice.ended()
        await authority.type(f"<db:verify from='{LIAR}' to='component.gateway.test' id='{stream_id}' type='invalid'/>")
        assert await asked == "invalid"


async def asserted(probe: Probe, liar: str) -> str | None:
    """The answer to a dialback key of the liar."""
    await probe.open(liar, "component.gateway.test")
    await probe.element()
    await probe.type(f"<db:result from='{liar}' to='component.gateway.test'>0123</db:result>")
    answer = await probe.element()
    assert answer.tag == f"{DB}result"
    return answer.get("type")


async def test_nothing_is_sent_when_another_pair_than_ours_is_accepted(world: World, gateway: Peer) -> None:
    domain = "confused.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "A secret")
        probe = await script.encrypted(DIALBACK)
        assert (await probe.element()).tag == f"{DB}result"
        await probe.type(f"<db:result from='{domain}' to='gateway.test' type='valid'/>")
        await probe.type("<db:result from='another.test' to='component.gateway.test' type='valid'/>")
        await probe.type(f"<db:verify from='{domain}' to='component.gateway.test' id='1' type='valid'/>")
        await probe.type(f"<db:result from='{domain}' to='component.gateway.test' type='invalid'/>")
        assert await probe.error() == "unsupported-feature"
        assert b"A secret" not in probe.received
        assert await component.expect_error(lost) == "internal-server-error"
