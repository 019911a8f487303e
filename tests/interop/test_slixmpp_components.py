"""Services written with slixmpp, as docs/slixmpp.md prints them: on the plain port, and on the one with TLS."""

from __future__ import annotations

import asyncio
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from tests.interop.clients import PASSWORD, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT
from tests.interop.world import World
from tests.support.pages import block, domains

HOME, BOT, WITH_TLS = "people.test", "bot.example.com", 25348


@pytest.fixture(scope="module")
def home(start_all: Starter, world: World) -> Peer:
    """A gateway with accounts and the configuration of the page; its second port is opened by a reload."""
    bundle = str(world.bundle(world.authority.issue(BOT)))
    tables = domains("slixmpp.md")
    options = {"domains": {HOME: {"serve": "im"}, BOT: {**tables[BOT], "certificate": bundle}}}
    home = start_all(Gateway, HOME, components={BOT: "secret"}, options=options)
    home.register(f"romeo@{HOME}", PASSWORD)
    file = home.configuration  # type: ignore[attr-defined]
    settings = tomllib.loads(file.read_text())
    settings["listen"]["component_tls"] = [f"tcp:{WITH_TLS}:interface={home.address}"]
    file.write_text(tomli_w.dumps(settings))
    home.operate("reload")  # type: ignore[attr-defined]
    return home


@asynccontextmanager
async def running(bot: Any) -> AsyncIterator[None]:
    """Attach a bot; end it afterwards."""
    begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    bot.add_event_handler("session_start", lambda _: begun.done() or begun.set_result(None))
    bot.connect()
    try:
        await asyncio.wait_for(begun, 30)
        yield
    finally:
        bot.del_event_handler("disconnected", bot.reconnect_later)
        bot.abort()
        bot._run_out_filters.cancel()
        await asyncio.wait([bot._run_out_filters])


def bot_of_the_page(home: Peer) -> Any:
    program: dict[str, Any] = {"__name__": "docs"}
    exec(compile(block("slixmpp.md", "python"), "slixmpp.md", "exec"), program)
    return program["Bot"](BOT, "secret", home.address, COMPONENT)


async def test_the_bot_answers_and_is_found(home: Peer) -> None:
    async with user(home, "romeo") as romeo, running(bot_of_the_page(home)):
        romeo.send_message(f"anybody@{BOT}", "But, soft!")
        assert (await romeo.expect_message("But, soft!"))["from"].bare == f"anybody@{BOT}"
        info = await romeo.xmpp.plugin["xep_0030"].get_info(jid=BOT)
        assert ("client", "bot") in {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}


async def test_the_bot_comes_back_when_its_stream_ends(home: Peer) -> None:
    bot = bot_of_the_page(home)
    async with running(bot):
        again: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        bot.add_event_handler("session_start", lambda _: again.done() or again.set_result(None))
        await asyncio.to_thread(home.operate, "close", BOT)  # type: ignore[attr-defined]
        await asyncio.wait_for(again, 30)


async def test_the_bot_speaks_over_tls_and_checks_who_is_there(home: Peer, world: World) -> None:
    lines = block("slixmpp.md", "python", 1)
    bot = bot_of_the_page(home)
    exec(compile(lines, "slixmpp.md", "exec"), {"bot": bot})
    bot.ca_certs, bot.server_host, bot.server_port = Path(world.authorities), home.address, WITH_TLS
    async with user(home, "romeo") as romeo, running(bot):
        assert bot.transport.get_extra_info("ssl_object").version() is not None
        romeo.send_message(f"anybody@{BOT}", "It is my lady.")
        await romeo.expect_message("It is my lady.")


async def test_on_the_port_with_tls_nothing_is_said_in_clear(home: Peer) -> None:
    reader, writer = await asyncio.open_connection(home.address, WITH_TLS)
    writer.write(b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'>")
    assert b"stream" not in await asyncio.wait_for(reader.read(), 60)
    writer.close()
