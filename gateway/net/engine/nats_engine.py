"""NatsEngine: `ICluster` over NATS: entries in a key-value bucket of JetStream, frames as plain messages.

One task lives as long as the engine: it connects, takes the whole bucket, passes on what changes, and begins again when
the connection is lost. The library could reconnect by itself, but would not say what was missed meanwhile; so each
connection begins with all entries. A connection on which our own writes do not come back as changes is given up too:
a node that sees nothing would take all others for dead. Debian's nats-server 2.9 has all that is used.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js.errors import KeyWrongLastSequenceError, NotFoundError
from nats.js.kv import KeyValue
from twisted.internet.defer import Deferred, fail, succeed
from twisted.logger import Logger
from zope.interface import implementer

from gateway.cluster.frames import MOST_FRAME_BYTES
from gateway.cluster.interfaces import Conflict, EngineAway, EngineListener, ICluster
from gateway.cluster.records import Entry

CONNECT_SECONDS = 2
ANSWER_SECONDS = 3
PING_SECONDS = 3
"""Seconds between two pings; a connection without an answer to the second is given up."""
AGAIN_SECONDS = 0.5
SEEN_SECONDS = 2
"""Seconds between two looks whether our own writes come back. Twice that is well within a lease."""
_FAULTS = (NatsError, OSError, asyncio.TimeoutError, ssl.SSLError, EngineAway)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class EngineAccess:
    """Where the servers are, and how this node proves itself to them."""

    urls: Sequence[str]
    cluster: str
    node: str
    user: str | None = None
    password: str | None = None
    token: str | None = None
    tls: ssl.SSLContext | None = None

    @property
    def bucket(self) -> str:
        """The name of the bucket."""
        return f"xmpp-gateway-{self.cluster}"

    def subject(self, node: str) -> str:
        """Return the subject of the frames to a node."""
        return f"xmpp-gateway.{self.cluster}.{node}"

    def __repr__(self) -> str:
        return f"<EngineAccess {self.cluster} {self.node}>"


class _TLSClient(Client):
    """The library's client, which lets the server decide about TLS, and a check that configured TLS is used."""

    def __init__(self, *, needs_tls: bool) -> None:
        super().__init__()
        self._needs_tls = needs_tls

    def _connect_command(self) -> bytes:
        """Return what proves us to the server; raise NatsError where TLS is configured and the server has not begun it.

        Somebody in between could strip TLS by changing the server's first line, and would get our password.
        """
        if self._needs_tls and not self._server_info.get("tls_required"):
            raise NatsError("the server does not ask for TLS, so it was not given our credentials; set up TLS there")
        command: bytes = super()._connect_command()
        return command


@implementer(ICluster)
class NatsEngine:
    """The connection of one node to NATS."""

    _log = Logger()

    def __init__(self, access: EngineAccess) -> None:
        self.is_connected = False
        self.most_bytes = MOST_FRAME_BYTES
        self._access = access
        self._listener: EngineListener | None = None
        self._task: asyncio.Task[None] | None = None
        self._client: Client | None = None
        self._bucket: KeyValue | None = None
        self._out: deque[tuple[str, bytes]] = deque()
        self._has_frames = asyncio.Event()
        self._written = self._seen = 0  # the last revision that we have written, and that we were told of

    # -- as ICluster -------------------------------------------------------------------------------------------------

    def start(self, listener: EngineListener) -> None:
        """As `ICluster.start`; asyncio's loop must be running."""
        self._listener = listener
        self._task = asyncio.get_running_loop().create_task(self._live())

    def stop(self) -> Deferred[None]:
        """As `ICluster.stop`."""
        self._listener = None
        self.is_connected = False
        task, self._task = self._task, None
        if task is None:
            return succeed(None)
        return Deferred.fromFuture(asyncio.ensure_future(_ended(task)))

    def write(self, key: str, value: bytes, expected: int) -> Deferred[int]:
        """As `ICluster.write`."""
        bucket = self._bucket
        if bucket is None:
            return fail(EngineAway("NATS is away"))
        return self._answer(bucket.update(key, value, last=expected)).addCallback(self._note_written)

    def put(self, key: str, value: bytes) -> Deferred[int]:
        """As `ICluster.put`."""
        bucket = self._bucket
        if bucket is None:
            return fail(EngineAway("NATS is away"))
        return self._answer(bucket.put(key, value)).addCallback(self._note_written)

    def remove(self, key: str) -> Deferred[None]:
        """As `ICluster.remove`."""
        bucket = self._bucket
        if bucket is None:
            return fail(EngineAway("NATS is away"))
        return self._answer(bucket.delete(key)).addCallback(lambda _: None)

    def send(self, node: str, data: bytes) -> None:
        """As `ICluster.send`."""
        if self.is_connected:
            self._out.append((self._access.subject(node), data))
            self._has_frames.set()

    def _answer(self, asked: Awaitable[T]) -> Deferred[T]:
        return Deferred.fromFuture(asyncio.ensure_future(self._translated(asked)))

    async def _translated(self, asked: Awaitable[T]) -> T:
        """Return the answer; raise Conflict or EngineAway, and nothing else: a caller has states to put back."""
        try:
            return await asyncio.wait_for(asked, ANSWER_SECONDS)
        except KeyWrongLastSequenceError:
            raise Conflict("the entry has changed") from None
        except (*_FAULTS, asyncio.CancelledError) as error:
            raise EngineAway(f"NATS refused: {str(error) or type(error).__name__}") from None
        except Exception as error:
            self._log.failure("a request to NATS ended by a fault of the gateway")
            raise EngineAway(f"a fault of the gateway: {type(error).__name__}") from None

    def _note_written(self, revision: int) -> int:
        self._written = max(self._written, revision)
        return revision

    # -- the connection ----------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        while True:
            why = "the connection was lost"
            try:
                why = await self._connection()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                why = "the library has cancelled a request"
            except _FAULTS as error:
                why = str(error) or type(error).__name__
            except Exception as error:  # one of our faults: this node must not stay away from the others because of it
                self._log.failure(
                    "the connection to NATS ended because of a fault in the gateway, which connects again"
                )
                why = f"a fault of the gateway: {type(error).__name__}"
            finally:
                await self._disconnected()
            if self._listener is not None:
                try:
                    self._listener.engine_went(f"{', '.join(map(_without_secret, self._access.urls))}: {why}")
                except Exception:
                    self._log.failure("the end of the connection to NATS could not be processed")
            await asyncio.sleep(AGAIN_SECONDS)

    async def _connection(self) -> str:
        """Connect, and pass on what comes until the connection is lost; return why that was."""
        access, lost = self._access, asyncio.get_running_loop().create_future()

        async def closed() -> None:
            if not lost.done():
                lost.set_result("the connection was lost")

        async def ignore(error: Exception) -> None:
            """Leave errors to the callers, and to `closed`."""

        client = self._client = _TLSClient(needs_tls=access.tls is not None)
        await client.connect(
            servers=list(access.urls),
            name=f"xmpp-gateway {access.node}",
            allow_reconnect=False,
            connect_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            max_outstanding_pings=1,
            closed_cb=closed,
            disconnected_cb=closed,
            error_cb=ignore,
            user=access.user,
            password=access.password,
            token=access.token,
            tls=access.tls,
        )
        if client.max_payload < MOST_FRAME_BYTES:
            raise EngineAway(f"NATS carries {client.max_payload:,} bytes at once: set its max_payload to 1MB or more")
        self.most_bytes = client.max_payload
        bucket = await self._open_bucket(client)
        await client.subscribe(access.subject(access.node), cb=self._frame_came)
        watcher = await bucket.watchall()
        entries = await _all_entries(bucket, watcher)
        self._written, self._seen = 0, max((entry.revision for entry in entries), default=0)
        self._bucket = bucket
        self.is_connected = True
        if self._listener is not None:
            self._listener.engine_came(entries)
        tasks = [asyncio.ensure_future(each) for each in (self._watch(watcher), self._send(client), self._sees())]
        try:
            done, _ = await asyncio.wait({*tasks, lost}, return_when=asyncio.FIRST_COMPLETED)
            for each in done - {lost}:
                each.result()  # raises
            return str(lost.result()) if lost.done() else "its entries can no longer be watched"
        finally:
            for task in tasks:
                task.cancel()

    async def _open_bucket(self, client: Client) -> KeyValue:
        stream = client.jetstream(timeout=ANSWER_SECONDS)
        try:
            return await stream.key_value(self._access.bucket)
        except NotFoundError:
            return await stream.create_key_value(bucket=self._access.bucket, history=1)

    async def _watch(self, watcher: Any) -> None:
        async for change in watcher:
            if change is not None:
                entry = _entry(change)
                self._seen = max(self._seen, entry.revision)
                if self._listener is not None:
                    self._listener.engine_changed(entry)

    async def _sees(self) -> None:
        """Return when something that we have written has not come back among the changes."""
        due = 0
        while self._seen >= due:
            due = self._written
            await asyncio.sleep(SEEN_SECONDS)

    async def _send(self, client: Client) -> None:
        while True:
            await self._has_frames.wait()
            self._has_frames.clear()
            while self._out:
                subject, data = self._out.popleft()
                try:
                    await client.publish(subject, data)
                except MaxPayloadError:  # the next connection would refuse it as well
                    self._log.error(
                        "a frame of {size} bytes to {subject} was dropped: NATS carries {most} at most",
                        size=len(data),
                        subject=subject,
                        most=client.max_payload,
                    )

    async def _frame_came(self, message: Msg) -> None:
        if self._listener is not None:
            try:
                self._listener.frame_arrived(message.data)
            except Exception:  # the library would drop it silently
                self._log.failure("a frame could not be processed")

    async def _disconnected(self) -> None:
        self.is_connected = False
        self._bucket = None
        self._out.clear()
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):  # whatever is wrong with the old connection, a new one is made
                await asyncio.wait_for(client.close(), CONNECT_SECONDS)


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def _all_entries(bucket: KeyValue, watcher: Any) -> list[Entry]:
    """Return all entries that there are.

    They come in the order of their revisions, then whatever has changed meanwhile. An entry that is rewritten at that
    moment is left out, because its old value is gone, and comes behind. So the list goes on to the revision that is the
    last one at its beginning, and from there to the one that is the last by then. The library's own sign of the end
    comes too early, or never, because the server miscounts what is pending while entries are rewritten.
    """
    entries: list[Entry] = []
    seen, is_told_all = 0, False
    try:
        for _ in range(2):
            state = (await bucket.status()).stream_info.state
            while state.messages and seen < state.last_seq:
                further = await asyncio.wait_for(anext(watcher), ANSWER_SECONDS)
                if further is None:
                    is_told_all = True
                else:
                    entries.append(_entry(further))
                    seen = max(seen, entries[-1].revision)
    except TimeoutError:
        if not is_told_all:  # else somebody has removed the last entry by hand
            raise
    return entries


def _entry(found: KeyValue.Entry) -> Entry:
    is_there = found.operation is None
    return Entry(key=found.key, value=(found.value or b"") if is_there else None, revision=found.revision or 0)


def _without_secret(url: str) -> str:
    """Return a URL without the name and password that it may have."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
