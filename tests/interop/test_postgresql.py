"""A gateway with accounts and outbox on a PostgreSQL server: kept over its own crash, and the restart of the server."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.interop.clients import PASSWORD, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.test_outbox import BACK_SECONDS, bodies, kept, send, until, waiting
from tests.support.postgresql import Postgresql

HOME = "home.pg.test"
COMPONENT = "component.outbox.test"
LINES = 60


def gateway(start: Starter, url: str) -> Peer:
    """A gateway with two accounts and a component."""
    options: dict[str, Any] = {
        "domains": {HOME: {"serve": "im"}},
        "storage": {"url": url},
        "outbox": {"url": url},
        "peers": {"any": {"keep": "waiting", "connect_seconds": 2}},
        "log": {"level": "info"},
    }
    ours = start(Gateway, HOME, components={COMPONENT: "secret"}, options=options)
    for name in ("romeo", "juliet"):
        ours.register(f"{name}@{HOME}", PASSWORD)
    return ours


def rows(postgresql: Postgresql, url: str, table: str) -> int:
    """The number of rows that are there for good."""
    with postgresql.admin(url) as admin:
        (count,) = admin.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() or (0,)
    return int(count)


async def test_accounts_and_outbox_are_kept_over_a_crash_and_over_a_restart_of_the_server(
    start: Starter, postgresql: Postgresql
) -> None:
    url = postgresql.url()
    ours = gateway(start, url)
    far = start(Prosody, "far.pg.test")
    far.stop()
    said = [str(number) for number in range(2 * LINES)]
    async with user(ours, "romeo") as romeo, attached(ours) as component:
        for number in said:
            romeo.send_message(f"juliet@{HOME}", number)  # who is offline
            send(component, "romeo@far.pg.test", number)
            if number == said[LINES]:
                await asyncio.get_running_loop().run_in_executor(None, postgresql.stop)
                postgresql.start()
        await romeo.request(HOME, "<ping xmlns='urn:xmpp:ping'/>")
        await kept(ours, len(said))
        await until(lambda: rows(postgresql, url, "offline") == len(said))
        assert not [each for each in (*romeo.inbox, *component.inbox) if each["type"] == "error"]
        ours.kill()
        romeo.abort()
        component.abort()
    ours.start()
    async with user(ours, "juliet") as juliet:
        for number in said:
            await juliet.expect_message(number, BACK_SECONDS)
        far.start()
        async with user(far, "romeo") as there:
            await there.request(HOME, "<ping xmlns='urn:xmpp:ping'/>")
            assert await bodies(there, len(said)) == said
        await until(lambda: waiting(ours) == 0)
    assert not list((ours.folder / "state").glob("*.db"))
