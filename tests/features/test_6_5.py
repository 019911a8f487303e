"""Feature 6-5: SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms (RFC 6120 §13.8, RFC 5802, RFC 7677, RFC 9266).

The client's side is computed here from the RFC, and not by the gateway's own code.
"""

from __future__ import annotations

from base64 import b64encode

import pytest

from tests.interop.clients import PASSWORD
from tests.interop.knocking import bind, condition, jid, knocking, opened
from tests.interop.peers import Peer
from tests.interop.probe import SASL
from tests.interop.scram import scram

MECHANISMS = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"]


@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_password_opens_the_door(house: Peer, mechanism: str) -> None:
    async with knocking(house) as probe:
        assert (await scram(probe, "romeo", PASSWORD, mechanism)).tag == f"{{{SASL}}}success"
        await opened(probe, house)
        assert jid(await bind(probe)).startswith("romeo@im.test/")


@pytest.mark.parametrize("user", ["romeo", "nobody"])
@pytest.mark.parametrize("mechanism", MECHANISMS)
async def test_wrong_password_opens_nothing(house: Peer, mechanism: str, user: str) -> None:
    async with knocking(house) as probe:
        assert condition(await scram(probe, user, "wrong", mechanism)) == "not-authorized"


async def test_client_that_was_kept_from_channel_binding_is_told(house: Peer) -> None:
    async with knocking(house) as probe:
        payload = b64encode(b"y,,n=romeo,r=rOprNGfwEbeRWgbNEkqO").decode()
        await probe.type(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{payload}</auth>")
        assert condition(await probe.element()) == "not-authorized"
