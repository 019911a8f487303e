"""One question to the nameservers, until one of them gives a usable answer (RFC 1035 §7).

Each server gets the question over UDP, from its own random port and with a random id (RFC 5452 §9). A truncated
answer is requested again over TCP, on its own connection. A server that is silent, cannot be reached, reports a
failure or answers another question is passed over; then comes the next, and after the last one a second round with more
patience. Only "found" and "no such name" are answers.

Nameservers that check signatures (DNSSEC) and that we trust get questions with the AD bit, because without it some of
them report nothing (RFC 6840 §5.7), and the same bit of the answer counts. From all others it does not. If one of them
fails, it is asked once more for the unchecked answer (CD): if there is one, its signatures are wrong. Then no other
nameserver is asked, because the next one may not check them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, connectProtocol
from twisted.internet.error import CannotListenError, ConnectError, ConnectionLost
from twisted.names import dns

from gateway.net.dns.system_names import Nameserver
from gateway.net.dns.targets import endpoint_text
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import GatewayError

ROUNDS = (1.5, 3.0)  # seconds for each server, round by round

FIRST_UNPRIVILEGED_PORT = 1024
PORT_ATTEMPTS = 8

FAILURES = {
    dns.EFORMAT: "did not understand the question (FORMERR)",
    dns.ESERVER: "could not resolve it (SERVFAIL)",
    dns.ENOTIMP: "does not answer such questions (NOTIMP)",
    dns.EREFUSED: "refused to answer (REFUSED)",
}


class NameserverSilent(GatewayError):
    """No nameserver gave a usable answer; `silent` if none gave any, `bogus` if its signatures are wrong."""

    def __init__(self, sentence: str, *, silent: bool, bogus: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.silent = silent
        self.bogus = bogus


class Asks(Protocol):
    """Asks one question: of the nameservers, or of a table in a test."""

    async def ask(self, query: dns.Query) -> dns.Message:
        """Return the answer, with result code OK or ENAME; raise NameserverSilent if there is none.

        Its `authenticData` is set only if DNSSEC proves it.
        """


class Nameservers:
    """The nameservers of the system or of the configuration, asked in order."""

    def __init__(
        self,
        reactor: IReactor,
        servers: Callable[[], Sequence[Nameserver]],
        rounds: Sequence[float] = ROUNDS,
        *,
        believes: Callable[[Nameserver], bool] = lambda server: False,
    ) -> None:
        """`believes` returns whether we trust a nameserver's claim that it has checked the signatures."""
        self._reactor = reactor
        self._servers = servers
        self._rounds = rounds
        self._believes = believes

    async def ask(self, query: dns.Query) -> dns.Message:
        """Return the answer of the first nameserver that has a usable one."""
        complaints: list[NameserverSilent] = []
        for seconds in self._rounds:
            for server in self._servers():
                try:
                    return await self._ask_one(server, query, seconds)
                except NameserverSilent as complaint:
                    if complaint.bogus:
                        raise
                    complaints.append(complaint)
        raise _worst(complaints)

    async def _ask_one(self, server: Nameserver, query: dns.Query, seconds: float) -> dns.Message:
        where = endpoint_text(*server)
        if not self._believes(server):
            answer = await self._exchange(server, query, seconds, _PLAIN)
            answer.authenticData = 0
            return _checked(answer, query, where)
        answer = await self._exchange(server, query, seconds, _CHECKED)
        if answer.rCode == dns.ESERVER and await self._has_unchecked(server, query, seconds):
            told = f"{where} says that the signatures of the answer are wrong (DNSSEC: bogus)"
            raise NameserverSilent(told, silent=False, bogus=True)
        return _checked(answer, query, where)

    async def _has_unchecked(self, server: Nameserver, query: dns.Query, seconds: float) -> bool:
        """Return whether there is an answer if nobody checks its signatures."""
        try:
            _checked(await self._exchange(server, query, seconds, _UNCHECKED), query, "")
        except NameserverSilent:
            return False
        return True

    async def _exchange(
        self, server: Nameserver, query: dns.Query, seconds: float, flags: QuestionFlags
    ) -> dns.Message:
        where = endpoint_text(*server)
        try:
            answer = await ask_over_udp(self._reactor, server, query, seconds, flags)
            if answer.trunc:
                answer = await ask_over_tcp(self._reactor, server, query, seconds, flags)
        except TimeoutError:
            raise NameserverSilent(f"no answer from {where}", silent=True) from None
        except (ConnectError, ConnectionLost, CannotListenError, OSError) as error:
            raise NameserverSilent(f"{where} cannot be asked: {error}", silent=True) from error
        return answer


class QuestionFlags(NamedTuple):
    """The DNSSEC bits of a question: report whether it was checked (AD), and do not check it (CD)."""

    authentic: int = 0
    unchecked: int = 0

    def on(self, message: dns.Message) -> dns.Message:
        """Return the message with these bits."""
        message.authenticData, message.checkingDisabled = self
        return message


_PLAIN = QuestionFlags()
_CHECKED = QuestionFlags(authentic=1)
_UNCHECKED = QuestionFlags(unchecked=1)


class _Datagrams(dns.DNSDatagramProtocol):
    """Questions over UDP, with their bits."""

    flags = _PLAIN

    def writeMessage(self, message: dns.Message, address: Nameserver) -> None:
        super().writeMessage(self.flags.on(message), address)


class _TCPQuestions(dns.DNSProtocol):
    """Questions over TCP, with their bits."""

    flags = _PLAIN

    def writeMessage(self, message: dns.Message) -> None:
        super().writeMessage(self.flags.on(message))


async def ask_over_udp(
    reactor: IReactor, server: Nameserver, query: dns.Query, seconds: float, flags: QuestionFlags = _PLAIN
) -> dns.Message:
    """Send one question in a datagram, from a port that is open for this question only."""
    conversation: Any = _Datagrams(_ProtocolOwner(), reactor)
    conversation.flags = flags
    conversation.noisy = False
    port = _open_random_port(reactor, conversation, "::" if ":" in server[0] else "")
    try:
        answer: Deferred[dns.Message] = conversation.query(server, [query], seconds)
        return await answer
    finally:
        port.stopListening()


def _open_random_port(reactor: IReactor, conversation: Any, interface: str) -> Any:
    """Open a port that an attacker cannot guess; if the few that we try are taken, one that the system chooses."""
    for _ in range(PORT_ATTEMPTS):
        port = dns.randomSource()
        if port < FIRST_UNPRIVILEGED_PORT:
            continue
        try:
            return reactor.listenUDP(port, conversation, interface)
        except CannotListenError:
            continue
    return reactor.listenUDP(0, conversation, interface)


async def ask_over_tcp(
    reactor: IReactor, server: Nameserver, query: dns.Query, seconds: float, flags: QuestionFlags = _PLAIN
) -> dns.Message:
    """Send one question on its own TCP connection, so that none can hang on a connection long dead."""
    endpoint = TCP6ClientEndpoint if ":" in server[0] else TCP4ClientEndpoint
    conversation: Any = _TCPQuestions(_ProtocolOwner(), reactor)
    conversation.flags = flags
    await connectProtocol(endpoint(reactor, *server, timeout=seconds), conversation)
    try:
        answer: Deferred[dns.Message] = conversation.query([query], seconds)
        return await answer
    finally:
        conversation.transport.loseConnection()


class _ProtocolOwner:
    """The owner of the DNS protocols: a lost connection ends the questions on it."""

    def connectionMade(self, protocol: Any) -> None:
        pass

    def connectionLost(self, protocol: Any) -> None:
        waiting, protocol.liveMessages = protocol.liveMessages, {}
        for answer, timeout in waiting.values():
            timeout.cancel()
            answer.errback(ConnectionLost("the connection was closed before the answer"))

    def messageReceived(self, message: dns.Message, protocol: Any, address: Any = None) -> None:
        """Ignore an answer to no open question."""


def _checked(answer: dns.Message, query: dns.Query, where: str) -> dns.Message:
    """Return the answer, if it is one and belongs to this question."""
    if not answer.answer or answer.queries != [query]:
        raise NameserverSilent(f"{where} answered another question", silent=False)
    if answer.rCode not in (dns.OK, dns.ENAME):
        words = FAILURES.get(answer.rCode, f"failed with result code {answer.rCode}")
        raise NameserverSilent(f"{where} {words}", silent=False)
    return answer


def _worst(complaints: Sequence[NameserverSilent]) -> NameserverSilent:
    """Combine complaints: prefer an answer to silence; report each complaint once."""
    said = [complaint for complaint in complaints if not complaint.silent] or list(complaints)
    sentences = dict.fromkeys(complaint.sentence for complaint in said)
    return NameserverSilent("; ".join(sentences) or "there is no nameserver to ask", silent=all(c.silent for c in said))
