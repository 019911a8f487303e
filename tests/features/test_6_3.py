"""Feature 6-3: TLS plus SASL EXTERNAL: a certificate proves a server's domain, and with an XmppAddr a client's account
(RFC 6120 §6.3.4, §13.8, XEP-0178).
"""

from __future__ import annotations

import pytest

from gateway.net.throwaway_ca import CLIENT_AUTH, SERVER_AUTH, Authority, Issued, host, xmpp
from tests.interop.knocking import bind, condition, jid, knocking, opened
from tests.interop.peers import Peer
from tests.interop.probe import SASL, Probe, client_tls, dial
from tests.interop.world import World

EXTERNAL = f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth>"


def offers_external(probe: Probe) -> bool:
    return b"<mechanism>EXTERNAL</mechanism>" in probe.received


def juliet(world: World, *names: str, authority: Authority | None = None, **more: object) -> Issued:
    issuer = authority or world.authority
    return issuer.issue(*map(xmpp, names or ["juliet@im.test"]), **{"purposes": [CLIENT_AUTH], **more})


async def test_certificate_opens_the_door_to_the_account_that_it_names(house: Peer, world: World) -> None:
    async with knocking(house, certificate=world.bundle(juliet(world))) as probe:
        assert offers_external(probe)
        await probe.type(EXTERNAL)
        assert (await probe.element()).tag == f"{{{SASL}}}success"
        await opened(probe, house)
        assert jid(await bind(probe)).startswith("juliet@im.test/")


@pytest.mark.parametrize(
    "fault",
    ["another authority", "another domain", "another purpose", "of a host", "of nobody"],
)
async def test_certificate_that_proves_no_account_here_opens_nothing(house: Peer, world: World, fault: str) -> None:
    issued = {
        "another authority": lambda: juliet(world, authority=Authority.create("Strangers")),
        "another domain": lambda: juliet(world, "juliet@elsewhere.test"),
        "another purpose": lambda: juliet(world, purposes=[SERVER_AUTH]),
        "of a host": lambda: world.authority.issue(host("im.test")),
        "of nobody": lambda: juliet(world, "nobody@im.test"),
    }[fault]()
    async with knocking(house, certificate=world.bundle(issued)) as probe:
        assert offers_external(probe) is (fault == "of nobody")  # whether there is such an account is not told
        await probe.type(EXTERNAL)
        assert condition(await probe.element()) == "not-authorized"


async def test_certificate_of_several_accounts_needs_one_to_be_named(house: Peer, world: World) -> None:
    async with knocking(house, certificate=world.bundle(juliet(world, "juliet@im.test", "romeo@im.test"))) as probe:
        await probe.type(EXTERNAL)
        assert condition(await probe.element()) == "invalid-authzid"
        assert (await probe.authenticate("romeo@im.test")).tag == f"{{{SASL}}}success"


async def test_server_proves_its_domain_and_no_other(house: Peer, world: World) -> None:
    bundle = world.bundle(world.authority.issue("certified.test"))
    async with dial(*house.at(5269)) as probe:
        await probe.open("certified.test", "im.test")
        await probe.element()
        await probe.secure(client_tls(bundle), "im.test")
        await probe.open("certified.test", "im.test")
        await probe.element()
        assert offers_external(probe)
        assert condition(await probe.authenticate("other.test")) == "invalid-authzid"
        assert (await probe.authenticate("certified.test")).tag == f"{{{SASL}}}success"
