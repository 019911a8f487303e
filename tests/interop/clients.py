"""People and components from outside, played by slixmpp, for tests that drive real servers.

    async with Client("romeo@prosody.test", "secret", address=("127.0.0.2", CLIENT), authorities=ca_file) as romeo:
        romeo.send_message("juliet@ejabberd.test", "Art thou not Romeo?")
        reply = await romeo.expect(lambda stanza: stanza["body"] == "Neither, fair saint")

A test runs such a scenario with `asyncio.run`; the servers are processes of their own, so no other event loop is in
the way. Every stanza that arrives is kept until a test expects it, except the answers to an iq. `xmpp` is slixmpp's
own object, with all its plugins.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial, partialmethod
from pathlib import Path
from typing import Any, Self
from xml.etree import ElementTree

from slixmpp import ClientXMPP, ComponentXMPP
from slixmpp.stanza import Iq, Message, Presence
from slixmpp.util.sasl.mechanisms import SCRAM
from slixmpp.xmlstream.xmlstream import XMLStream

from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT, COMPONENT

PASSWORD = "wherefore art thou"
CONNECT_SECONDS = 30
EXPECT_SECONDS = 30  # of a busy machine
STANZA_ERRORS = "{urn:ietf:params:xml:ns:xmpp-stanzas}"

Stanza = Any  # slixmpp's stanzas: mappings with computed keys


class LoginError(Exception):
    """The server did not let us in."""


class Entity:
    """What clients and components have in common: a session, and an inbox to wait on."""

    def __init__(self, xmpp: Any, address: tuple[str, int]) -> None:
        self.xmpp = xmpp
        self._address = address
        self._inbox: list[Stanza] = []
        self._is_mute = False
        self._arrived = asyncio.Event()
        self._failure: Stanza = None  # the last SASL failure; another mechanism may still succeed
        self._session: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        xmpp.auto_authorize = None  # whether to accept a subscription is the test's to say
        xmpp.auto_subscribe = False
        xmpp.register_plugin("xep_0030")
        xmpp.register_plugin("xep_0199")
        xmpp.add_filter("in", self._receive)
        xmpp.add_event_handler("session_start", self._started)
        xmpp.add_event_handler("failed_auth", self._mechanism_failed)
        for event in ("failed_all_auth", "stream_error", "connection_failed", "disconnected"):
            xmpp.add_event_handler(event, partial(self._refused, event))

    @property
    def inbox(self) -> list[Stanza]:
        """Return what has come and nobody has expected yet."""
        return list(self._inbox)

    @property
    def jid(self) -> str:
        """Our address, a client's with the resource that it got."""
        return str(self.xmpp.boundjid)

    async def __aenter__(self) -> Self:
        self.xmpp.connect(*self._address)
        try:
            await asyncio.wait_for(self._session, CONNECT_SECONDS)
        except BaseException:
            self.abort()
            await self._end_sending()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.xmpp.disconnect(wait=1)
        await self._end_sending()

    def abort(self) -> None:
        """Drop the connection without closing the stream."""
        self.xmpp.cancel_connection_attempt()
        with suppress(AttributeError):  # asyncio's, if the server has just ended the connection: nothing is left of it
            self.xmpp.abort()

    async def disconnected(self, timeout: float = EXPECT_SECONDS) -> None:
        """Wait until the server has ended the connection."""
        if self.xmpp.is_connected():
            await asyncio.wait_for(asyncio.shield(self.xmpp.disconnected), timeout)

    # Sending.

    def send_message(self, to: str, body: str, kind: str = "chat", sender: str = "") -> str:
        """Send a message, a component's from any of its addresses; returns its id."""
        message = self.xmpp.make_message(mto=to, mbody=body, mtype=kind, mfrom=sender or self.jid)
        message["id"] = self.xmpp.new_id()
        message.send()
        return message["id"]

    def send_presence(self, to: str, kind: str | None = None, sender: str = "") -> None:
        """Send directed presence; without a kind: available."""
        self.xmpp.send_presence(pto=to, ptype=kind, pfrom=sender or self.jid)

    async def request(self, to: str, payload: str, kind: str = "get", timeout: float = EXPECT_SECONDS) -> Stanza:
        """Send an iq and return its result; raises slixmpp's `IqError` and `IqTimeout`."""
        iq = self.xmpp.make_iq(ito=to, itype=kind, ifrom=self.jid)
        iq.append(ElementTree.fromstring(payload))
        return await iq.send(timeout=timeout)

    # Receiving.

    async def expect(self, wanted: Callable[[Stanza], bool], timeout: float = EXPECT_SECONDS) -> Stanza:
        """Take the first stanza that is wanted out of the inbox, waiting for it if need be."""
        try:
            async with asyncio.timeout(timeout):
                while not (found := next(filter(wanted, self._inbox), None)):
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            arrived = "\n".join(map(str, self._inbox)) or "nothing"
            raise AssertionError(f"{self.jid} waited {timeout:g} s for nothing; what came: {arrived}") from None
        self._inbox.remove(found)
        return found

    def take_all(self) -> list[Stanza]:
        """Take all that has come out of the inbox."""
        taken, self._inbox = self._inbox, []
        return taken

    async def expect_message(self, body: str, timeout: float = EXPECT_SECONDS) -> Stanza:
        """Wait for the message that says so."""
        return await self.expect(
            lambda stanza: isinstance(stanza, Message) and stanza["body"] == body and stanza["type"] != "error", timeout
        )

    async def expect_any_message(self, timeout: float = EXPECT_SECONDS) -> Stanza:
        """Take the next message."""
        return await self.expect(lambda stanza: isinstance(stanza, Message), timeout)

    async def expect_presence(self, kind: str, sender: str, timeout: float = EXPECT_SECONDS) -> Stanza:
        """Wait for presence of a kind, in slixmpp's words (`available`, `subscribe`, ...), from a bare address."""
        return await self.expect(
            lambda stanza: isinstance(stanza, Presence) and (stanza["type"], stanza["from"].bare) == (kind, sender),
            timeout,
        )

    async def expect_error(self, to_id: str, timeout: float = EXPECT_SECONDS) -> str:
        """Wait for the error that answers the stanza with this id; returns its condition."""
        stanza = await self.expect(lambda stanza: stanza.xml.get("type") == "error" and stanza["id"] == to_id, timeout)
        return condition(stanza)

    def mute(self) -> None:
        """Answer no request from now on: what comes is kept, and that is all."""
        self._is_mute = True

    # What slixmpp calls.

    def _receive(self, stanza: Stanza) -> Stanza | None:
        answers = isinstance(stanza, Iq) and stanza["type"] in ("result", "error")  # these go to the one that asked
        if isinstance(stanza, Message | Presence | Iq) and not answers:
            self._inbox.append(stanza)
            self._arrived.set()
            if self._is_mute:
                return None
        return stanza

    def _started(self, _: object) -> None:
        if not self._session.done():
            self._session.set_result(None)

    def _mechanism_failed(self, failure: Stanza) -> None:
        self._failure = failure

    def _refused(self, event: str, reason: object) -> None:
        if not self._session.done():
            self._session.set_exception(LoginError(f"{self._address}: {event}: {self._failure or reason}"))

    async def _end_sending(self) -> None:
        # slixmpp leaves the task that sends for the garbage collector, which complains about it.
        sending = self.xmpp._run_out_filters
        sending.cancel()
        await asyncio.wait([sending])


class Client(Entity):
    """A person with an account on some server, online when entered."""

    def __init__(
        self,
        jid: str,
        password: str,
        address: tuple[str, int],
        authorities: Path | None,  # None: any answer is believed
        *,
        direct_tls: bool = False,
        mechanism: str | None = None,
        available: bool = True,
    ) -> None:
        xmpp = ClientXMPP(jid, password, sasl_mech=mechanism, ssl_context=_trusting(authorities))
        # slixmpp would try both on the one port.
        xmpp.enable_direct_tls = direct_tls
        xmpp.enable_starttls = not direct_tls
        super().__init__(xmpp, address)
        self._available = available

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        if self._available:
            self.xmpp.send_presence()
            await self.expect_presence("available", self.xmpp.boundjid.bare)
        return self


class Component(Entity):
    """An external component (XEP-0114), attached when entered."""

    def __init__(self, domain: str, secret: str, address: tuple[str, int]) -> None:
        super().__init__(ComponentXMPP(domain, secret, *address), address)


def user(peer: Peer, name: str, password: str = PASSWORD, **options: Any) -> Client:
    """A person with an account on a server that runs, in the first of its domains; its certificate does not matter."""
    return Client(f"{name}@{peer.site.domains[0]}", password, peer.at(CLIENT), None, **options)


def attached(peer: Peer) -> Component:
    """The first component of a server that runs, attached to it."""
    domain, secret = next(iter(peer.site.components.items()))
    return Component(domain, secret, peer.at(COMPONENT))


def condition(stanza: Stanza) -> str:
    """The condition of a stanza error (RFC 6120 §8.3.3), whatever the stream's content namespace."""
    names = (child.tag for child in stanza.xml.iterfind(f".//{STANZA_ERRORS}*"))
    return next(name.removeprefix(STANZA_ERRORS) for name in names if name != f"{STANZA_ERRORS}text")


def _trusting(authorities: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authorities is not None:
        context.load_verify_locations(authorities)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _derived(mechanism: Any, password: str, salt: bytes, iterations: int) -> bytes:
    """Return the salted password of SCRAM (RFC 5802 §2.2, Hi)."""
    return hashlib.pbkdf2_hmac(mechanism.hash().name, bytes(password), salt, iterations)  # type: ignore[arg-type]


# Together these take slixmpp longer than all else that it does in a test. It goes through the ten thousand rounds of a
# login in Python; and it reads the system's authorities twice for each component, which has no use for them.
SCRAM.Hi = _derived  # type: ignore[method-assign]
XMLStream.__init__ = partialmethod(XMLStream.__init__, ssl_context=_trusting(None))  # type: ignore[method-assign,assignment]
