"""Feature 6-2: TLS plus SASL PLAIN: the password itself, and only inside TLS (RFC 6120 §13.8, RFC 4616)."""

from __future__ import annotations

from base64 import b64encode

from tests.interop.knocking import at_home, condition, knocking, opened, plain
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT, CLIENT_TLS
from tests.interop.probe import SASL, client_tls, dial


async def test_password_opens_the_door(house: Peer) -> None:
    async with at_home(house, "romeo", "garden") as probe:
        assert probe.address == "romeo@im.test/garden"  # type: ignore[attr-defined]


async def test_password_in_clear_is_not_taken_though_it_is_right(house: Peer) -> None:
    async with dial(*house.at(CLIENT)) as probe:
        await opened(probe, house)
        assert condition(await plain(probe, "romeo")) == "encryption-required"


async def test_tls_from_the_first_byte_will_do(house: Peer) -> None:
    async with dial(*house.at(CLIENT_TLS), context=client_tls(), server_name="im.test") as probe:
        await opened(probe, house)
        assert (await plain(probe, "romeo")).tag == f"{{{SASL}}}success"


async def test_data_may_come_with_the_mechanism_or_when_it_is_asked_for(house: Peer) -> None:
    async with knocking(house) as probe:
        await probe.type(f"<auth xmlns='{SASL}' mechanism='PLAIN'/>")
        assert (await probe.element()).tag == f"{{{SASL}}}challenge"
        data = b64encode(b"\0romeo\0wherefore art thou").decode()
        await probe.type(f"<response xmlns='{SASL}'>{data}</response>")
        assert (await probe.element()).tag == f"{{{SASL}}}success"


async def test_account_may_be_named_as_the_identity_and_nobody_else_may(house: Peer) -> None:
    async with knocking(house) as probe:
        assert condition(await plain(probe, "romeo", authzid="juliet@im.test")) == "invalid-authzid"
        assert (await plain(probe, "romeo", authzid="romeo@im.test")).tag == f"{{{SASL}}}success"
