"""Feature 6-4: DIGEST-MD5 between servers (RFC 2831): superseded (RFC 6331), so off, unless it is configured for that
very peer with a secret that both share.
"""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, client_tls, dial

AUTH = f"<auth xmlns='{SASL}' mechanism='DIGEST-MD5'/>"


def gateways(start: Starter, *, theirs: str = "between us") -> tuple[Peer, Peer]:
    """Two that prove themselves to each other by a secret and nothing else."""

    def options(peer: str, secret: str) -> dict[str, object]:
        return {"peers": {peer: {"authenticate": ["digest-md5"], "digest_md5_secret": secret}}}

    one = start(
        Gateway, "one.test", components={"c.one.test": "a secret of c"}, options=options("c.two.test", "between us")
    )
    two = start(Gateway, "two.test", components={"c.two.test": "another of c"}, options=options("c.one.test", theirs))
    return one, two


async def test_servers_that_share_a_secret_need_nothing_else(start: Starter) -> None:
    one, two = gateways(start)
    async with attached(one) as here, attached(two) as there:
        here.send_message(there.jid, "by a digest")
        await there.expect_message("by a digest")
        there.send_message(here.jid, "and back")
        await here.expect_message("and back")
    assert "by digest-md5" in one.log()
    assert "by digest-md5" in two.log()
    assert "between us" not in one.log() + two.log()


async def test_another_secret_proves_nothing(start: Starter) -> None:
    one, two = gateways(start, theirs="another one")
    async with attached(one) as here, attached(two) as there:
        sent = here.send_message(there.jid, "by a digest")
        assert await here.expect_error(sent) in ("remote-server-timeout", "remote-server-not-found")
    assert "digest-md5 refused (not-authorized" in two.log()


@pytest.mark.parametrize("sender", ["stranger.test", "c.one.test"])
async def test_it_is_not_offered_without_a_secret_for_that_peer(start: Starter, sender: str) -> None:
    _, two = gateways(start)
    async with dial(*two.at(SERVER)) as probe:
        await probe.open(sender, "c.two.test")
        await probe.element()
        await probe.secure(client_tls(), "c.two.test")
        await probe.open(sender, "c.two.test")
        await probe.element()
        assert (b"DIGEST-MD5" in probe.received) is (sender == "c.one.test")
        await probe.type(AUTH)
        answer = await probe.element()
        known = {"c.one.test": "challenge", "stranger.test": "failure"}
        assert answer.tag == f"{{{SASL}}}{known[sender]}"
