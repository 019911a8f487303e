"""Feature 12-3 [presence-sub-cancel], as a client: unsubscribed (RFC 6121 §3.2)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_who_may_see_us_no_longer_is_told_and_sees_us_leave(world: World, host: Peer) -> None:
    async def scenario() -> tuple[tuple[str, str], bool]:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            both.juliet.messaging.show(both.romeo_account, "unsubscribed")
            await both.romeo.expect_presence("unsubscribed", both.juliet_account.full)
            await both.romeo.expect_presence("unavailable", both.juliet.messaging.own.full)
            return await both.states(), both.juliet.messaging.own.full in both.romeo.messaging.presences

    assert run_in_reactor(scenario) == (("none", "none"), False)


def test_request_is_declined(world: World, host: Peer) -> None:
    async def scenario() -> tuple[str, str]:
        async with couple(world, host) as both:
            await both.request()
            both.juliet.messaging.show(both.romeo_account, "unsubscribed")
            await both.romeo.expect_presence("unsubscribed", both.juliet_account.full)
            return await both.states()

    assert run_in_reactor(scenario)[0] == "none"
