"""Feature 10.1-6, as a client: our language is said once, and holds for every stanza (RFC 6120 §8.1.5)."""

from __future__ import annotations

from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.logins import Login
from tests.support.reactor import run_in_reactor


def test_stream_header_names_it() -> None:
    login = Login()
    login.start()
    headers = [data for data in login.initiating.written if b"<stream:stream" in data]
    assert all(b" xml:lang='en'" in header for header in headers)


def test_others_get_it_with_each_stanza(world: World, house: Peer) -> None:
    async def scenario() -> str | None:
        async with staying(world, "romeo@im.test") as romeo, staying(world, "juliet@im.test") as juliet:
            romeo.messaging.say(juliet.messaging.own, "in English")
            return (await juliet.expect_message("in English")).element.lang

    assert run_in_reactor(scenario) == "en"
