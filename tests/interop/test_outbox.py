"""Stanzas for a server that is away: kept over a crash or stop of the gateway, and delivered when it is back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest

from gateway.outbox.window import MOST
from tests.interop.clients import Entity, attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, Prosody

COMPONENT = "component.outbox.test"
STANZAS = int(os.environ.get("OUTBOX_STANZAS", "1100"))  # the outbox reads 500 at a time
MARK = "Wherefore-art-thou-marked"
LATE_HOURS = 0.01  # the least that the configuration takes
PUT_SECONDS = 0.3  # several times what a put may take
BACK_SECONDS = 60.0  # of a busy machine, for everything to arrive


def gateway(start: Starter, kind: type[Gateway] = Gateway, **rules: Any) -> Peer:
    """A gateway with an outbox and a component."""
    options = {"peers": {"any": {"keep": "waiting", "connect_seconds": 2, **rules}}}
    return start(kind, "outbox.test", components={COMPONENT: "secret"}, options=options)


def waiting(ours: Peer) -> int:
    """Return how many stanzas wait."""
    assert isinstance(ours, Gateway)
    return sum(queue["stanzas"] for queue in ours.ask("queues"))


async def kept(ours: Peer, count: int) -> None:
    """Wait until this many stanzas wait, and are on the disk."""
    await until(lambda: waiting(ours) >= count)
    await asyncio.sleep(PUT_SECONDS)


async def until(holds: Callable[[], bool], seconds: float = BACK_SECONDS) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.1)


def send(component: Entity, to: str, *bodies: str, kind: str = "chat", extra: str = "") -> None:
    """Send messages as a component does that has much to say."""
    for body in bodies:
        component.xmpp.send_raw(
            f"<message from='{COMPONENT}' to='{to}' type='{kind}' id='{body}'><body>{body}</body>{extra}</message>"
        )


async def bodies(romeo: Entity, count: int) -> list[str]:
    """Return the bodies of the next messages that are not errors."""
    found: list[str] = []
    while len(found) < count:
        message = await romeo.expect(lambda each: each.name == "message", BACK_SECONDS)
        if message["type"] != "error":
            found.append(message["body"])
    return found


@asynccontextmanager
async def back(far: Peer, ours: Peer) -> AsyncIterator[Entity]:
    """The far side is back, with romeo, and has shown that it is."""
    far.start()
    async with user(far, "romeo") as romeo:
        await romeo.request(ours.site.domains[0], "<ping xmlns='urn:xmpp:ping'/>")
        yield romeo


def files(ours: Peer) -> bytes:
    """Return all that is in the outbox and its log."""
    return b"".join(path.read_bytes() for path in (ours.folder / "state").glob("outbox.db*"))


def schema_version(ours: Peer, new: int | None = None) -> int:
    """The version of the outbox's schema; or have it say that it is another one."""
    with closing(sqlite3.connect(ours.folder / "state" / "outbox.db")) as connection:
        if new is not None:
            connection.execute(f"PRAGMA user_version = {new}")
            connection.commit()
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


@pytest.mark.parametrize(
    ("kind", "count"),
    [(Prosody, STANZAS), pytest.param(Ejabberd, 300, marks=pytest.mark.soak)],  # slow to start
)
async def test_all_that_waited_arrives_in_order_after_a_crash(start: Starter, kind: type[Peer], count: int) -> None:
    ours = gateway(start)
    far = start(kind, f"far.{kind.name.lower()}.test")
    to = f"romeo@{far.site.domains[0]}"
    far.stop()
    said = [str(number) for number in range(count)]
    async with attached(ours) as component:
        send(component, to, *said)
        await kept(ours, count)
        ours.kill()
        component.abort()
    ours.start()
    async with back(far, ours) as romeo:
        assert await bodies(romeo, count) == said
        await until(lambda: waiting(ours) == 0)
        await romeo.request(ours.site.domains[0], "<ping xmlns='urn:xmpp:ping'/>")
        assert not [each for each in romeo.inbox if each.name == "message" and each["type"] != "error"]


async def test_a_server_that_stands_still_gets_everything_in_order_though_the_gateway_dies_meanwhile(
    start: Starter,
) -> None:
    ours = gateway(start, keep="all")
    far = start(Prosody, "far.still.test")
    said = [str(number) for number in range(5 * MOST)]
    async with user(far, "romeo") as romeo:
        async with attached(ours) as component:
            send(component, romeo.jid, "before")
            assert await bodies(romeo, 1) == ["before"]
            far.pause()
            send(component, romeo.jid, *said)
            await kept(ours, len(said))
            ours.kill()
            component.abort()
        ours.start()
        far.resume()
        heard: list[str] = []
        while not set(heard) >= set(said):
            heard += await bodies(romeo, 1)
        await until(lambda: waiting(ours) == 0)
    heard = [each for each in heard if each != "before"]
    assert list(dict.fromkeys(heard)) == said
    assert len(heard) <= len(said) + MOST


async def test_a_stop_in_good_order_bounces_nothing_and_loses_nothing(start: Starter) -> None:
    ours = gateway(start)
    far = start(Prosody, "far.stop.test")
    far.stop()
    said = [str(number) for number in range(600)]
    async with attached(ours) as component:
        send(component, "romeo@far.stop.test", *said)
        await until(lambda: waiting(ours) >= len(said))
        ours.stop()
        assert not [each for each in component.inbox if each.name == "message"]
    ours.start()
    async with back(far, ours) as romeo:
        assert await bodies(romeo, len(said)) == said


async def test_what_waited_for_too_long_is_answered_once(start: Starter) -> None:
    ours = gateway(start, keep_hours=LATE_HOURS)
    async with attached(ours) as component:
        far = start(Prosody, "far.late.test")
        far.stop()
        send(component, "romeo@far.late.test", "one", "two")
        send(component, "romeo@far.late.test", "error", kind="error")
        errors = [await component.expect_any_message(BACK_SECONDS) for _ in range(2)]
        assert [(each["id"], condition(each)) for each in errors] == [
            ("one", "remote-server-timeout"),
            ("two", "remote-server-timeout"),
        ]
        assert all(each["error"]["type"] == "cancel" for each in errors)
        await asyncio.sleep(1)
        assert not component.inbox
        assert waiting(ours) == 0


async def test_only_what_is_to_be_kept_reaches_the_disk_and_nothing_stays_there(start: Starter) -> None:
    ours = gateway(start)
    far = start(Prosody, "far.secret.test")
    far.stop()
    to = "romeo@far.secret.test"
    async with attached(ours) as component:
        send(component, to, MARK, kind="groupchat")
        send(component, to, MARK, extra="<no-store xmlns='urn:xmpp:hints'/>")
        component.xmpp.send_raw(f"<presence from='{COMPONENT}' to='{to}'><status>{MARK}</status></presence>")
        component.xmpp.send_raw(f"<iq from='{COMPONENT}' to='{to}' type='get' id='1'><q xmlns='{MARK}'/></iq>")
        send(component, to, "innocent")
        await kept(ours, 1)
        assert b"innocent" in files(ours)
        assert MARK.encode() not in files(ours)
        async with back(far, ours) as romeo:
            assert await bodies(romeo, 1) == ["innocent"]
            await until(lambda: b"innocent" not in files(ours))


async def test_of_three_requests_to_subscribe_and_not_one_arrives(start: Starter) -> None:
    ours = gateway(start)
    far = start(Prosody, "far.keyed.test")
    far.stop()
    async with attached(ours) as component:
        for kind in ("subscribe", "unsubscribe", "subscribe"):
            component.send_presence("romeo@far.keyed.test", kind)
        send(component, "romeo@far.keyed.test", "last")
        await kept(ours, 2)
        async with back(far, ours) as romeo:
            assert await bodies(romeo, 1) == ["last"]
            found = [each["type"] for each in romeo.inbox if each.name == "presence" and each["from"].bare == COMPONENT]
            assert found == ["subscribe"]


async def test_a_stream_from_there_sends_what_waits_within_two_seconds(start: Starter) -> None:
    ours = gateway(start)
    far = start(Prosody, "far.hello.test")
    far.stop()
    async with attached(ours) as component:
        send(component, "romeo@far.hello.test", "hello")
        await kept(ours, 1)
        await until(lambda: ours.log().count("far.hello.test") > 2)
        far.start()
        async with user(far, "romeo") as romeo:
            clock = asyncio.get_running_loop().time
            began = clock()
            await romeo.request(ours.site.domains[0], "<ping xmlns='urn:xmpp:ping'/>")
            answered = clock()
            assert await bodies(romeo, 1) == ["hello"]
            # On a busy machine, two seconds and as long as it took to open the streams for the answer.
            assert clock() - answered < 2 + (answered - began)


async def test_what_is_held_waits_over_a_restart_until_it_is_released_and_what_is_dropped_is_gone(
    start: Starter,
) -> None:
    ours = gateway(start)
    assert isinstance(ours, Gateway)
    far = start(Prosody, "far.held.test")
    async with attached(ours) as component, user(far, "romeo") as romeo:
        send(component, romeo.jid, "first")
        assert await bodies(romeo, 1) == ["first"]
        await until(lambda: waiting(ours) == 0)
        ours.operate("queues", "hold", "far.held.test")
        send(component, romeo.jid, "held")
        await kept(ours, 1)
        by_age = ours.operate("queues").split("kept for", 1)[1].splitlines()
        assert by_age[0].split()[:5] == ["all", "KiB", "<5", "<10", "<20"]
        assert [line.split()[:4] + line.split()[-1:] for line in by_age[1:]] == [
            ["far.held.test", "1", "0", "1", "held"]
        ]
        ours.restart()
        await romeo.request(ours.site.domains[0], "<ping xmlns='urn:xmpp:ping'/>")
        assert waiting(ours) == 1
        ours.operate("queues", "release", "far.held.test")
        assert await bodies(romeo, 1) == ["held"]
        await until(lambda: waiting(ours) == 0)  # it has been acknowledged, too
        ours.restart()
    async with attached(ours) as component, user(far, "romeo") as romeo:
        send(component, romeo.jid, "released for good")
        assert await bodies(romeo, 1) == ["released for good"]
        await until(lambda: waiting(ours) == 0)
    ours.operate("queues", "hold", "far.held.test")
    async with attached(ours) as component:
        send(component, "romeo@far.held.test", "never")
        await kept(ours, 1)
        assert "dropped 1 stanza for far.held.test" in ours.operate("queues", "drop", "far.held.test")
        assert waiting(ours) == 0
    ours.restart()
    assert waiting(ours) == 0


async def test_an_outbox_that_cannot_be_used_stops_no_stream_and_is_told_once(start: Starter) -> None:
    ours = gateway(start)
    assert isinstance(ours, Gateway)
    far = start(Prosody, "far.foreign.test")
    ours.stop()
    version = schema_version(ours)
    schema_version(ours, 999)
    ours.start()
    async with attached(ours) as component, user(far, "romeo") as romeo:
        send(component, romeo.jid, "over a stream")
        assert await bodies(romeo, 1) == ["over a stream"]
        send(component, "romeo@nowhere.foreign.test", "bounced")
        assert await component.expect_error("bounced") == "remote-server-not-found"
        newer = "a newer version of the gateway has written the outbox"
        assert ours.log().count(newer) == 1
        schema_version(ours, version)
        await until(lambda: "the outbox is in order" in ours.log())
        send(component, romeo.jid, "still over a stream")
        assert await bodies(romeo, 1) == ["still over a stream"]
        assert ours.log().count(newer) == 1
