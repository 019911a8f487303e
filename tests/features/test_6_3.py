"""Feature 6-3: TLS plus SASL EXTERNAL: a certificate proves a server's domain, and with an XmppAddr a client's account
(RFC 6120 §6.3.4, §13.8, XEP-0178).
"""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography import x509

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.knocking import bind, condition, jid, knocking, opened
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, Probe, client_tls, dial
from tests.interop.scripted import EXTERNAL as OFFER
from tests.interop.scripted import scripted
from tests.interop.world import World
from tests.support.throwaway_ca import CLIENT_AUTH, SERVER_AUTH, Authority, Issued, host, xmpp

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
    async with dial(*house.at(SERVER)) as probe:
        await probe.open("certified.test", "im.test")
        await probe.element()
        await probe.secure(client_tls(bundle), "im.test")
        await probe.open("certified.test", "im.test")
        await probe.element()
        assert offers_external(probe)
        assert condition(await probe.authenticate("other.test")) == "invalid-authzid"
        assert (await probe.authenticate("certified.test")).tag == f"{{{SASL}}}success"


async def test_we_prove_the_domain_that_the_stream_is_from(gateway: Peer, world: World) -> None:
    async with scripted(world, "proud.test") as script, attached(gateway) as component:
        component.send_message("anybody@proud.test", "Art thou there?")
        probe = await script.encrypted(OFFER)
        auth = await probe.element()
        assert auth.get("mechanism") == "EXTERNAL"
        assert b64decode(auth.text or "") in (b"", b"=", b"component.gateway.test")  # XEP-0178 §3, step 8
        shown = x509.load_der_x509_certificate(probe.peer_certificate or b"")
        names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "component.gateway.test" in names.get_values_for_type(x509.DNSName)


async def test_no_other_proof_is_asked_for_where_certificates_are_demanded(
    start: Starter, world: World, peer: Peer
) -> None:
    theirs = peer.site.domains[0]
    domain = f"strict-6-3.{theirs}"
    options = {"peers": {"any": {"authenticate": ["external"]}}}
    ours = start(Gateway, domain, require_certificates=True, options=options)
    async with user(peer, "romeo") as romeo:
        romeo.send_message(f"anybody@{domain}", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert set(ours.proofs(theirs)) == {"external"}
    assert set(peer.proofs(domain)) == {"external"}


@pytest.mark.parametrize("condition_", ["not-authorized", "temporary-auth-failure"])
async def test_a_refused_certificate_is_not_the_end_where_dialback_is_allowed(
    gateway: Peer, world: World, condition_: str
) -> None:
    domain = f"{condition_}.refusing.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.encrypted(OFFER)
        assert (await probe.element()).tag == f"{{{SASL}}}auth"
        await probe.type(f"<failure xmlns='{SASL}'><{condition_}/></failure>")
        assert (await probe.element()).tag == "{jabber:server:dialback}result"
