"""F-C-11: when a server refuses our certificate, the cause is ours, and the remedy says what to look at."""

from __future__ import annotations

import ssl

import pytest

from tests.hardening.refusals import REFUSED, publish_direct, start_gateway, tls_alone, verdict, wanted
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Peer
from tests.interop.probe import STREAM_ERRORS
from tests.interop.scripted import CLOSE, STARTTLS
from tests.interop.world import World
from tests.support.throwaway_ca import Authority

STREAMS = STREAM_ERRORS[1:-1]
# The words of Prosody 0.12 and 13, with the conditions that they come with, and of others.
REFUSALS = [
    ("not-authorized", ""),
    ("not-authorized", "Your server's certificate has expired."),
    ("not-authorized", "Your server's certificate does not match any DANE TLSA records"),
    ("not-authorized", "Your server's certificate is not valid for this name"),
    ("not-authorized", "Your server's certificate is not trusted"),
    ("policy-violation", "self-signed certificate in certificate chain"),
    ("undefined-condition", "no TLSA record matches"),
]


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_gateway(start_all, "shown.test")


def tells_what_to_look_at(line: str) -> bool:
    """Return whether the line blames us, and names the certificate with all that can be wrong with it."""
    assert "(proof-refused; the cause is ours)" in line
    return all(word in line for word in ("certificate", "expired", "name", "chain", "TLSA"))


@pytest.mark.parametrize("number", range(len(REFUSALS)))
async def test_an_error_about_our_certificate_is_ours(world: World, gateway: Peer, number: int) -> None:
    """Blame our certificate when the other server ends the stream for it right after TLS."""
    condition, text = REFUSALS[number]
    domain = f"{number}.strict.test"
    said = f"<text xmlns='{STREAMS}'>{text}</text>" if text else ""
    async with wanted(world, gateway, domain) as script:
        probe = await script.connection()
        await script.greet(probe, STARTTLS)
        await script.secure(probe)
        await script.answer(probe)
        await probe.type(f"<stream:error><{condition} xmlns='{STREAMS}'/>{said}</stream:error>{CLOSE}")
    assert tells_what_to_look_at(verdict(gateway, domain))
    assert text in verdict(gateway, domain)


async def test_a_tls_alert_about_our_certificate_is_ours(world: World, gateway: Peer) -> None:
    """Blame our certificate when the other server refuses it in the handshake."""
    domain = "alert.strict.test"
    others = world.folder / "others.pem"
    Authority.create("Authority of others").save(others)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.bundle(world.authority.issue(domain)))
    context.load_verify_locations(others)
    context.verify_mode = ssl.CERT_REQUIRED
    with tls_alone(publish_direct(world, domain), context):
        async with attached(gateway) as component:
            lost = component.send_message(f"anybody@{domain}", "Art thou there?")
            assert await component.expect_error(lost) == REFUSED
    assert tells_what_to_look_at(verdict(gateway, domain))
    assert "the other side rejected our certificate" in verdict(gateway, domain)


async def test_an_error_about_something_else_is_theirs(world: World, gateway: Peer) -> None:
    """Leave the cause with them when the error speaks of something else."""
    domain = "blocked.strict.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.connection()
        await script.answer(probe)
        text = f"<text xmlns='{STREAMS}'>we do not talk to you</text>"
        await probe.type(f"<stream:error><policy-violation xmlns='{STREAMS}'/>{text}</stream:error>{CLOSE}")
    assert "(closed-by-peer; the cause is theirs)" in verdict(gateway, domain)
