"""H-15 and H-16 on the wire: who answers with somebody else's id answers nothing; a stranger's roster is no roster."""

from __future__ import annotations

import asyncio

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import attached, condition, user
from tests.interop.peers import Peer

CARBONS, FORWARD = "urn:xmpp:carbons:2", "urn:xmpp:forward:0"
PING = "<ping xmlns='urn:xmpp:ping'/>"
ROSTER = "<query xmlns='jabber:iq:roster'><item jid='eve@evil.test' subscription='both'/></query>"


async def test_h_15_an_answer_of_somebody_else_with_the_same_id_leaves_the_request_open(
    gateway: Peer, house: Peer
) -> None:
    async with user(house, "romeo") as romeo:
        async with attached(gateway) as component:
            component.mute()
            asking = asyncio.create_task(romeo.request(f"nurse@{component.jid}", PING, timeout=20))
            asked = await component.expect(lambda stanza: stanza.name == "iq" and stanza["type"] == "get")
            forged = f"<iq type='result' id='{asked['id']}' from='mallory@{component.jid}' to='{romeo.jid}'/>"
            component.xmpp.send_raw(forged)
            component.send_message(romeo.jid, "behind it")
            await romeo.expect_message("behind it")
            assert not asking.done()
        # The component is gone; had the forged answer counted, nobody would ever tell romeo.
        with pytest.raises(IqError) as told:
            await asking
        assert condition(told.value.iq) == "remote-server-timeout"


@pytest.mark.parametrize("kind", ["get", "set"])
async def test_h_16_a_roster_is_nothing_to_another_server(gateway: Peer, house: Peer, kind: str) -> None:
    async with user(house, "romeo") as romeo, attached(gateway) as component:
        for to in ("romeo@im.test", romeo.jid):
            with pytest.raises(IqError):
                await component.request(to, ROSTER if kind == "set" else "<query xmlns='jabber:iq:roster'/>", kind)
        own = await romeo.request("romeo@im.test", "<query xmlns='jabber:iq:roster'/>")
        assert "eve@evil.test" not in str(own)


async def test_h_16_a_copy_that_another_server_claims_reaches_no_client(gateway: Peer, house: Peer) -> None:
    async with user(house, "romeo") as romeo, attached(gateway) as component:
        await romeo.request("romeo@im.test", f"<enable xmlns='{CARBONS}'/>", "set")
        forged = f"<message xmlns='jabber:client' from='juliet@im.test' to='{romeo.jid}'><body>Pay</body></message>"
        component.xmpp.send_raw(
            f"<message from='nurse@{component.jid}' to='{romeo.jid}'><received xmlns='{CARBONS}'>"
            f"<forwarded xmlns='{FORWARD}'>{forged}</forwarded></received></message>"
        )
        component.send_message(romeo.jid, "behind it")
        await romeo.expect_message("behind it")
        assert "Pay" not in "".join(map(str, romeo.inbox))
