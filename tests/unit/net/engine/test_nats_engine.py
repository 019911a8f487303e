"""The connection to NATS against a server that plays false, and after our own fault."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import cast

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import StreamConfig, StreamInfo, StreamState
from nats.js.kv import KeyValue

from gateway.cluster.interfaces import EngineAway
from gateway.net.engine.nats_engine import EngineAccess, NatsEngine, _all_entries
from tests.unit.cluster.contract import Listening

INFO = {
    "server_id": "x", "version": "2.9.10", "proto": 1, "headers": True, "max_payload": 1 << 20, "auth_required": True,
    "jetstream": True,
}  # fmt: skip
PATIENCE = 30


class Reasons(Listening):
    """A listener that keeps why the engine went."""

    def __init__(self) -> None:
        super().__init__()
        self.reasons: list[str] = []

    def engine_went(self, reason: str) -> None:
        self.reasons.append(reason)
        super().engine_went(reason)


def heard_by_a_server(info: dict[str, object], tls: ssl.SSLContext | None, most: int = 1) -> tuple[bytes, list[str]]:
    """Return what an engine sends to a server with this first line, and why it went, as often as `most`."""
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"INFO " + json.dumps(info).encode() + b"\r\n")
        heard.append(await reader.readline())
        writer.close()

    async def run() -> list[str]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        access = EngineAccess(
            urls=[f"tls://127.0.0.1:{port}"], cluster="t", node="a", user="gw", password="s3cret", tls=tls
        )
        listener = await until_gone(NatsEngine(access), most)
        server.close()
        return listener.reasons

    reasons = asyncio.run(run())
    return b"".join(heard), reasons


async def until_gone(engine: NatsEngine, times: int) -> Reasons:
    listener = Reasons()
    engine.start(listener)
    async with asyncio.timeout(PATIENCE):
        while listener.went < times:
            await asyncio.sleep(0.01)
    task = engine._task
    assert task is not None
    assert not task.done()
    await engine.stop().asFuture(asyncio.get_running_loop())
    return listener


@pytest.mark.parametrize("info", [{"tls_required": False}, {}, {"tls_available": True}], ids=str)
def test_where_tls_is_configured_nothing_is_sent_to_a_server_that_does_not_begin_it(info: dict[str, object]) -> None:
    heard, reasons = heard_by_a_server({**INFO, **info}, ssl.create_default_context())
    assert heard == b""
    assert "does not ask for TLS" in reasons[0]


def test_without_tls_in_the_configuration_the_same_server_gets_the_credentials() -> None:
    heard, _ = heard_by_a_server(INFO, None)
    assert b"s3cret" in heard


def test_after_an_unexpected_fault_the_engine_connects_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*args: object, **terms: object) -> None:
        raise RecursionError("too deep")

    monkeypatch.setattr(Client, "connect", connect)
    engine = NatsEngine(EngineAccess(urls=["nats://gw:s3cret@127.0.0.1:1"], cluster="t", node="a"))
    listener = asyncio.run(until_gone(engine, 2))
    assert listener.reasons[-1] == "nats://127.0.0.1:1: a fault of the gateway: RecursionError"


def test_a_frame_that_raises_a_fault_is_logged_and_nothing_else() -> None:
    class Faulty(Listening):
        def frame_arrived(self, data: bytes) -> None:
            super().frame_arrived(data)
            raise ZeroDivisionError

    engine, faulty = NatsEngine(EngineAccess(urls=["nats://127.0.0.1:1"], cluster="t", node="a")), Faulty()
    engine._listener = faulty
    asyncio.run(engine._frame_came(Msg(Client(), data=b"x")))
    assert faulty.frames == [b"x"]


@pytest.mark.parametrize("fault", [asyncio.CancelledError(), TypeError("no prefix"), NatsError("closed")], ids=repr)
def test_whatever_ends_a_request_is_told_as_an_engine_that_is_away(fault: BaseException) -> None:
    class Bucket:
        async def put(self, key: str, value: bytes) -> int:
            raise fault

    async def asked() -> None:
        engine = NatsEngine(EngineAccess(urls=["nats://127.0.0.1:1"], cluster="t", node="a"))
        engine._bucket = cast(KeyValue, Bucket())
        with pytest.raises(EngineAway):
            await engine.put("node.a", b"").asFuture(asyncio.get_running_loop())

    asyncio.run(asked())


def test_the_engine_goes_on_when_the_library_cancels_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async def connect(*args: object, **terms: object) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(Client, "connect", connect)
    engine = NatsEngine(EngineAccess(urls=["nats://127.0.0.1:1"], cluster="t", node="a"))
    listener = asyncio.run(until_gone(engine, 2))
    assert listener.reasons[-1] == "nats://127.0.0.1:1: the library has cancelled a request"


class Rewritten:
    """A bucket of the library, and its watcher, whose entries are rewritten all the time: it is never told of the end.

    The entry at `removed` is gone when its turn comes, and comes behind all others.
    """

    def __init__(self, entries: int, removed: int) -> None:
        self._due = [revision for revision in range(1, entries + 1) if revision != removed]
        self._last = entries

    async def status(self) -> KeyValue.BucketStatus:
        state = StreamState(messages=len(self._due), bytes=0, first_seq=1, last_seq=self._last, consumer_count=1)
        return KeyValue.BucketStatus(stream_info=StreamInfo(StreamConfig(), state), bucket="t")

    def __aiter__(self) -> Rewritten:
        return self

    async def __anext__(self) -> KeyValue.Entry:
        await asyncio.sleep(0)
        self._last += 1
        self._due.append(self._last)
        revision = self._due.pop(0)
        return KeyValue.Entry("t", f"node.{revision}", b"", revision, 1, None, None)


def test_the_entries_have_an_end_although_they_are_rewritten_all_the_time() -> None:
    bucket = Rewritten(10, removed=4)
    entries = asyncio.run(asyncio.wait_for(_all_entries(cast(KeyValue, bucket), bucket), PATIENCE))
    revisions = [entry.revision for entry in entries]
    assert revisions == [*range(1, 4), *range(5, max(revisions) + 1)]
    assert max(revisions) > 10, "what was rewritten while the old ones came is there"
