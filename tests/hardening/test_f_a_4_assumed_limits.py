"""A-4: what is larger than everybody takes comes back to its sender, and does not cost a stream that others share."""

from __future__ import annotations

import pytest

from gateway.config.settings import Limits, PeerSettings
from gateway.stream.facts import PeerLimits, Role, ServerFacts, Terms
from gateway.xmpp.addresses import Domain, DomainPair
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.scripted import scripted
from tests.interop.world import World
from tests.unit.federation.test_outbound import OutboundHarness as Outbound

PAIR = DomainPair(Domain("ours.test"), Domain("far.test"))


@pytest.mark.parametrize(
    ("announced", "assumed", "largest"),
    [(None, 524288, 524288), (None, 20000, 20000), (None, 0, None), (10000, 524288, 10000), (1 << 20, 524288, 1 << 20)],
)
def test_f_a_4_what_is_announced_counts_else_what_is_assumed(
    announced: int | None, assumed: int, largest: int | None
) -> None:
    world = Outbound()
    world.line.stream.facts = ServerFacts(
        role=Role.INITIATING,
        local=PAIR.sender,
        remote=PAIR.target,
        terms=Terms(assumed_stanza_bytes=assumed),
        peer_limits=PeerLimits(stanza_bytes=announced),
    )
    assert world.session.largest == largest


def test_f_a_4_our_own_defaults_fit_together() -> None:
    limits, peer = Limits(), PeerSettings()
    taken_from_others = max(limits.component_stanza_bytes, limits.client_stanza_bytes, peer.stanza_bytes)
    assert taken_from_others <= peer.assumed_stanza_bytes == 524288


async def test_f_a_4_on_the_wire(world: World, start: Starter) -> None:
    limits = {"component_stanza_bytes": 1 << 20}
    gateway = start(Gateway, "a4.test", components={"component.a4.test": "secret"}, options={"limits": limits})
    async with scripted(world, "silent-about-limits.test") as script, attached(gateway) as component:
        to = f"somebody@{script.domain}"
        small = [component.send_message(to, str(number)) for number in range(5)]
        large = component.send_message(to, "x" * 600_000)
        behind = [component.send_message(to, str(number)) for number in range(5)]
        peer = await script.established()
        assert await component.expect_error(large) == "policy-violation"
        assert [(await peer.element()).get("id") for _ in range(10)] == small + behind
