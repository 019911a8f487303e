"""H-10: a component speaks for its own domain, and for nobody else; nor does an old handshake let it in again."""

from __future__ import annotations

from hashlib import sha1

import pytest

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.probe import COMPONENT, Probe, component_header, dial

OURS, SECRET = "component.h10.test", "secret"
THEIRS = "other.component.h10.test"  # another component's, though it looks like one's own subdomain


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    """A gateway with two components, of which one has a name below the other's."""
    return start_all(Gateway, "h10.test", components={OURS: SECRET, THEIRS: "another secret"})


def message(sender: str, to: str, body: str) -> str:
    return f"<message {sender} to='{to}'><body>{body}</body></message>"


@pytest.mark.parametrize(
    ("sender", "condition"),
    [
        ("from='juliet@ejabberd.test'", "invalid-from"),
        ("from='h10.test'", "invalid-from"),
        (f"from='nurse@x{OURS}'", "invalid-from"),
        (f"from='nurse@{THEIRS}'", "invalid-from"),
        ("from='@'", "invalid-from"),
        ("", "improper-addressing"),
    ],
)
async def test_foreign_senders_end_the_stream(gateway: Peer, prosody: Peer, sender: str, condition: str) -> None:
    async with user(prosody, "romeo") as romeo, dial(gateway.address, PORT) as probe:
        await probe.attach(OURS, SECRET)
        genuine = message(f"from='{OURS}'", romeo.jid, "genuine")
        await probe.type(genuine + message(sender, romeo.jid, "forged") + message(f"from='{OURS}'", romeo.jid, "late"))
        assert await probe.error() == condition
        await probe.type(genuine + "</stream:stream>")
        assert await probe.ended()
        await romeo.expect_message("genuine")
        # Later stanzas take the same way, so nothing else is still under way.
        async with attached(gateway) as component:
            component.send_message(romeo.jid, "the end")
            assert (await romeo.expect_any_message())["body"] == "the end"


async def test_an_old_handshake_is_useless_on_a_new_stream(gateway: Peer) -> None:
    async with dial(gateway.address, PORT) as probe:
        old = await _stream_id(probe)
    async with dial(gateway.address, PORT) as probe:
        assert await _stream_id(probe) != old
        await probe.type(f"<handshake>{sha1(f'{old}{SECRET}'.encode()).hexdigest()}</handshake>")
        assert await probe.error() == "not-authorized"


async def test_no_stanza_passes_before_the_handshake(gateway: Peer, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo, dial(gateway.address, PORT) as probe:
        await _stream_id(probe)
        await probe.type(message(f"from='{OURS}'", romeo.jid, "too early"))
        assert await probe.error() == "not-authorized"


async def test_the_secret_of_another_component_is_wrong(gateway: Peer) -> None:
    async with dial(gateway.address, PORT) as probe:
        assert (await probe.attach(OURS, "another secret")).tag != f"{{{COMPONENT}}}handshake"


async def _stream_id(probe: Probe) -> str:
    await probe.type(component_header(OURS))
    return (await probe.header()).get("id", "")
