"""F-C-12: the likely cause comes first, and an attempt that ends in silence tells what the other connection said."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from gateway.notices.attempts.elsewhere import MOST_WAYS, RECENT_SECONDS, Elsewhere
from gateway.notices.attempts.records import Attempt, Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from tests.hardening.refusals import REFUSED, publish_direct, start_gateway, tls_alone, verdict, wanted
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import STREAM_ERRORS, client_tls, dial
from tests.interop.scripted import CLOSE, DB, DIALBACK, scripted
from tests.interop.world import World

STREAMS = STREAM_ERRORS[1:-1]
COMPONENT = "component.cause.test"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_gateway(start_all, "cause.test", connect_seconds=4.0)


@pytest.mark.parametrize("alert", [ssl.ALERT_DESCRIPTION_HANDSHAKE_FAILURE, ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME])
async def test_a_port_without_a_certificate_for_the_name(world: World, gateway: Peer, alert: int) -> None:
    """Say that the server has no certificate for the domain there, before anything about versions and ciphers."""
    domain = f"direct-{int(alert)}.script.test"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.bundle(world.authority.issue("other.test")))
    context.sni_callback = lambda *_: alert
    with tls_alone(publish_direct(world, domain), context):
        async with attached(gateway) as component:
            lost = component.send_message(f"anybody@{domain}", "Art thou there?")
            assert await component.expect_error(lost) == REFUSED
    line = verdict(gateway, domain)
    assert "TLS failed: tls" in line  # the alert, in OpenSSL's words
    assert f"most likely the server has no certificate for {domain} at this port" in line
    assert line.index("has no certificate") < line.index("protocol version")


async def test_dialback_without_an_answer_tells_how_their_question_ended(world: World, gateway: Peer) -> None:
    """Tell why we refused the stream on which the other server wanted to ask about our key."""
    domain = "asking.clear.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.connection()
        await script.greet(probe, DIALBACK)
        assert (await probe.element()).tag == f"{DB}result"
        async with dial(gateway.address, SERVER) as question:
            await question.open(domain, COMPONENT)
            await question.type("<what/>")
            assert await question.error() == "unsupported-stanza-type"
    line = verdict(gateway, domain)
    assert "(proof-refused; the cause is ours)" in line
    assert f"the stream from {domain} (" in line
    assert "<what/> in " in line


async def test_dialback_without_an_answer_and_without_a_question(world: World, gateway: Peer) -> None:
    """Say that our key was being checked when nothing came, and to see whether our door can be reached."""
    domain = "mute.clear.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.connection()
        await script.greet(probe, DIALBACK)
        assert (await probe.element()).tag == f"{DB}result"
    line = verdict(gateway, domain)
    assert "while it was checking our dialback key (timeout;" in line
    assert line.index("firewall") < line.index("overloaded")


async def test_their_dialback_tells_how_our_question_ended(world: World, gateway: Peer) -> None:
    """Tell what the authoritative server said to us when the stream of the asserted domain comes to nothing."""
    domain = "refusing.script.test"
    async with scripted(world, domain) as script, dial(gateway.address, SERVER) as probe:
        await probe.open(domain, COMPONENT)
        await probe.element()
        await probe.secure(client_tls(world.bundle(world.authority.issue("other.test"))), COMPONENT)
        await probe.open(domain, COMPONENT)
        await probe.element()
        await probe.type(f"<db:result from='{domain}' to='{COMPONENT}'>0123456789</db:result>")
        question = await script.connection()
        await script.answer(question)
        said = f"<text xmlns='{STREAMS}'>not from there</text>"
        await question.type(f"<stream:error><policy-violation xmlns='{STREAMS}'/>{said}</stream:error>{CLOSE}")
        answer = await probe.element()
        assert answer.get("type") == "error"
        assert b"not from there" not in probe.received  # which stays between that server and us
        await asyncio.wait_for(probe.error(), 30)
    line = verdict(gateway, domain)
    assert "(not-trusted;" in line
    assert "to verify a key had failed: the other side ended the stream with policy-violation: not from there" in line


def failed(remote: str, direction: Direction = Direction.IN) -> Attempt:
    """The record of an attempt that ended at 101 seconds."""
    return Attempt(
        number=1,
        direction=direction,
        local="ours.test",
        remote=remote,
        address="192.0.2.1:5269",
        began=100.0,
        seconds=1.0,
        steps=(),
        verdict=Verdict.TLS_FAILED,
        reason="TLS failed",
    )


def under_way(remote: str = "theirs.test", direction: Direction = Direction.OUT, began: float = 100.0) -> StreamLog:
    return StreamLog(lambda notice: None, lambda: began, 2, direction, local="ours.test", remote=remote)


def test_what_is_told_is_recent_and_of_the_other_way() -> None:
    """Tell of the last failure the other way between the two domains, unless it is old."""
    elsewhere = Elsewhere()
    elsewhere.notice(failed("theirs.test"))
    assert "TLS failed" in elsewhere.said(under_way())
    assert not elsewhere.said(under_way(direction=Direction.IN))
    assert not elsewhere.said(under_way("others.test"))
    assert not elsewhere.said(under_way(began=102.0 + RECENT_SECONDS))


def test_what_is_remembered_is_bounded() -> None:
    """Forget what failed the longest time ago."""
    elsewhere = Elsewhere()
    for number in range(2 * MOST_WAYS):
        elsewhere.notice(failed(f"{number}.test"))
    assert len(elsewhere._failed) == MOST_WAYS
