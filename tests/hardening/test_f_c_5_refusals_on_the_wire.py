"""F-C-5: what the other server says when it refuses us is the verdict, and dialback is tried where it may help."""

from __future__ import annotations

import pytest

from tests.hardening.refusals import start_gateway, verdict, wanted
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Peer
from tests.interop.probe import SASL, STREAM_ERRORS, Probe
from tests.interop.scripted import CLOSE, DB, DIALBACK, EXTERNAL, Script, scripted
from tests.interop.world import World

AUTH = f"{{{SASL}}}auth"
WORDS = "your certificate smells of elderberries"
FAILURE = f"<failure xmlns='{SASL}'><not-authorized/><text xml:lang='en'>{WORDS}</text></failure>"
STREAMS = STREAM_ERRORS[1:-1]
COMPONENT = "component.refused.test"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    return start_gateway(start_all, "refused.test")


async def asserted(script: Script, probe: Probe) -> None:
    """Take a db:result, and find it good; a message follows."""
    assert (await probe.element()).tag == f"{DB}result"
    await probe.type(f"<db:result from='{script.domain}' to='{COMPONENT}' type='valid'/>")
    assert (await probe.element()).tag == "{jabber:server}message"


async def test_a_refusal_before_silence_is_the_verdict(world: World, gateway: Peer) -> None:
    """Tell the refusal in the peer's words when it offers no dialback and answers none, long before the deadline."""
    domain = "silent.script.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.encrypted(EXTERNAL)
        assert (await probe.element()).tag == AUTH
        await probe.type(FAILURE)
        assert (await probe.element()).tag == f"{DB}result"  # some take what they do not offer
    line = verdict(gateway, domain)
    assert WORDS in line
    assert "(proof-refused; the cause is ours)" in line


async def test_a_refusal_is_the_verdict_where_nothing_else_is_allowed(world: World, gateway: Peer) -> None:
    """Tell the refusal in the peer's words when our terms allow certificates alone."""
    domain = "only.strict.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.encrypted(EXTERNAL + DIALBACK)
        assert (await probe.element()).tag == AUTH
        await probe.type(FAILURE)
        assert await probe.error() == "unsupported-feature"
    assert WORDS in verdict(gateway, domain)
    assert "proof-refused" in verdict(gateway, domain)


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("failure", FAILURE + CLOSE),
        ("error", f"<stream:error><not-authorized xmlns='{STREAMS}'/></stream:error>{CLOSE}"),
        ("nothing", CLOSE),
    ],
)
async def test_dialback_is_tried_on_a_new_stream(world: World, gateway: Peer, name: str, ending: str) -> None:
    """Prove ourselves by dialback on another stream when the peer ends the one on which it refused our certificate."""
    domain = f"{name}.new.script.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.encrypted(EXTERNAL + DIALBACK)
        assert (await probe.element()).tag == AUTH
        await probe.type(ending)
        again = await script.encrypted(EXTERNAL + DIALBACK)
        await asserted(script, again)


async def test_no_new_stream_where_dialback_is_not_allowed(world: World, gateway: Peer) -> None:
    """Give up when the peer refuses our certificate and closes, and nothing else is allowed."""
    domain = "closes.strict.test"
    async with wanted(world, gateway, domain) as script:
        probe = await script.encrypted(EXTERNAL)
        await probe.element()
        await probe.type(FAILURE + CLOSE)
    assert WORDS in verdict(gateway, domain)


@pytest.mark.parametrize("before", ["header", "TLS"])
async def test_a_bare_error_is_told_in_its_own_words(world: World, gateway: Peer, before: str) -> None:
    """Tell the error of a server that sends no header, before TLS as after it."""
    domain = f"bare-{before.lower()}.strict.test"
    error = f"<stream:error><host-unknown xmlns='{STREAMS}'/><text xmlns='{STREAMS}'>{WORDS}</text></stream:error>"
    async with wanted(world, gateway, domain, "remote-server-not-found") as script:
        probe = await script.connection()
        if before == "TLS":
            await script.greet(probe, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
            await script.secure(probe)
        await probe.header()
        await probe.type(error + CLOSE)
    assert f"the other side ended the stream with host-unknown: {WORDS}" in verdict(gateway, domain)
