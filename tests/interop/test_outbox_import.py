"""`outbox import`: another gateway sends what one has kept that will not come back."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, PeerError, Prosody
from tests.interop.test_outbox import bodies, gateway, kept, send, until, waiting

STANZAS = [str(number) for number in range(700)]  # more than a page


def outbox_import(ours: Peer, place: object) -> str:
    assert isinstance(ours, Gateway)
    return ours.operate("outbox", "import", str(place))


async def test_what_a_lost_gateway_has_kept_is_sent(start: Starter) -> None:
    ours = gateway(start)
    far = start(Prosody, "far.import.test")
    far.stop()
    async with attached(ours) as component:
        send(component, "romeo@far.import.test", *STANZAS)
        await kept(ours, len(STANZAS))
        with pytest.raises(PeerError, match="a gateway is running"):
            outbox_import(ours, ours.folder / "state")
        ours.kill()
        component.abort()
    lost = (ours.folder / "state").rename(ours.folder / "lost")
    ours.start()  # as on a new machine
    async with attached(ours) as component:
        send(component, "romeo@far.import.test", "behind")
        await kept(ours, 1)
        assert outbox_import(ours, lost).startswith("700 stanzas of")
        assert waiting(ours) == len(STANZAS) + 1
        assert outbox_import(ours, lost / "outbox.db").startswith("no stanzas of")
        far.start()
        async with user(far, "romeo") as romeo:
            await romeo.request("outbox.test", "<ping xmlns='urn:xmpp:ping'/>")
            assert await bodies(romeo, len(STANZAS) + 1) == ["behind", *STANZAS]
            await until(lambda: waiting(ours) == 0)


async def test_what_is_no_outbox_is_refused_with_the_reason(start: Starter) -> None:
    ours = gateway(start)
    assert waiting(ours) == 0  # it is ready for commands
    foreign = ours.folder / "foreign.db"
    foreign.write_bytes(b"something else entirely" * 100)
    for place, reason in ((ours.folder, "there is no outbox at"), (foreign, "not an outbox")):
        with pytest.raises(PeerError, match=reason):
            outbox_import(ours, place)
    assert foreign.read_bytes() == b"something else entirely" * 100
