"""Feature 3.5-3: nothing is sent after one's own closing tag (RFC 6120 §4.4)."""

from __future__ import annotations

import pytest

from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import TLS, dial

QUESTION = "<db:verify from='probe.test' to='gateway.test' id='1'>0123</db:verify>"


@pytest.mark.parametrize("said", [QUESTION, f"<starttls xmlns='{TLS}'/>", "<message/>"])
async def test_what_comes_after_the_end_is_not_answered(gateway: Peer, said: str) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.type(f"<!-- no comment -->{said}")
        assert await probe.error() == "restricted-xml"
        await probe.type(f"{said}</stream:stream>")
        assert await probe.ended()
        assert probe.received.endswith(b"</stream:stream>")
        assert probe.received.count(b"</stream:stream>") == 1


async def test_what_comes_after_a_refusal_is_not_answered(gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.type(f"<message from='probe.test' to='gateway.test'/>{QUESTION}{QUESTION}")
        assert await probe.error() == "not-authorized"
        await probe.type(f"{QUESTION}</stream:stream>")
        assert await probe.ended()
        assert probe.received.endswith(b"</stream:error></stream:stream>")
