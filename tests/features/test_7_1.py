"""Feature 7-1: clients bind a resource, and stanzas to others before that end the stream (RFC 6120 §7)."""

from __future__ import annotations

import pytest

from tests.interop.knocking import bind, condition, jid, knocking, opened, plain, sent_away
from tests.interop.peers import Peer

BIND = "{urn:ietf:params:xml:ns:xmpp-bind}"


async def test_binding_is_offered_after_authentication_and_must_be_done(house: Peer) -> None:
    async with knocking(house) as probe:
        await plain(probe, "romeo")
        offer = (await opened(probe, house)).find(f"{BIND}bind")
        assert offer is not None
        assert [child.tag for child in offer] == [f"{BIND}required"]
        assert jid(await bind(probe, "garden")) == "romeo@im.test/garden"


async def test_resource_that_is_taken_is_answered_by_another(house: Peer) -> None:
    async with knocking(house) as first, knocking(house) as second:
        for probe in (first, second):
            await plain(probe, "romeo")
            await opened(probe, house)
        assert jid(await bind(first, "balcony")) == "romeo@im.test/balcony"
        other = jid(await bind(second, "balcony"))
        assert other.startswith("romeo@im.test/")
        assert other != "romeo@im.test/balcony"


@pytest.mark.parametrize(
    "stanza",
    [
        "<message to='juliet@im.test'><body>early</body></message>",
        "<presence/>",
        "<iq type='get' id='1' to='juliet@im.test'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1' to='elsewhere.test'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
)
@pytest.mark.parametrize("authenticated", [True, False])
async def test_stanza_before_it_is_not_authorized(house: Peer, stanza: str, authenticated: bool) -> None:
    async with knocking(house) as probe:
        if authenticated:
            await plain(probe, "romeo")
            await opened(probe, house)
        await probe.type(stanza)
        assert await sent_away(probe) == "not-authorized"


async def test_request_to_the_server_itself_is_refused_and_binding_goes_on(house: Peer) -> None:
    async with knocking(house) as probe:
        await plain(probe, "romeo")
        await opened(probe, house)
        await probe.type("<iq type='get' id='1' to='im.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        assert condition(await probe.element()) == "not-authorized"
        assert jid(await bind(probe))
