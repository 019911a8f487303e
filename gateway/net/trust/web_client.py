"""The web client behind `net.trust.fetching`, which imports it for the first request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IConsumer, IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer, IResponse
from zope.interface import implementer

from gateway.net.trust.web_answers import AddressBook, Authorities, FetchFailed, WebAnswer
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import ResolutionFailed

CONNECT_SECONDS = 5.0
_BODY_SECONDS = 5.0  # for the body of an answer whose status is all that is needed
_HEADER_BYTES = 65536
_AGENT = Headers({b"User-Agent": [b"xmpp-gateway"]})


class WebClient:
    """Makes one request, to the addresses that a resolver has judged."""

    def __init__(self, reactor: IReactor, resolver: AddressBook, authorities: Authorities) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities

    async def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        most: int,
        seconds: float,
        *,
        needs_body: bool,
    ) -> WebAnswer:
        """As `Fetcher.exchange`."""
        endpoints = _EndpointMaker(self._reactor, self._resolver, self._authorities, most)

        async def ask() -> WebAnswer:
            response = await self._ask(endpoints, method, url, headers, content)
            body = _Body(most)
            response.deliverBody(body)
            if needs_body:
                return WebAnswer(response.code, response.headers, await body.whole)
            try:
                received = await body.whole.addTimeout(_BODY_SECONDS, self._reactor, _too_late)
            except FetchFailed:
                endpoints.cut()
                received = b""
            return WebAnswer(response.code, response.headers, received)

        try:
            return await Deferred.fromCoroutine(ask()).addTimeout(seconds, self._reactor, _too_late)
        except BaseException:
            endpoints.cut()
            raise

    async def _ask(
        self, endpoints: _EndpointMaker, method: str, url: str, headers: Mapping[str, str], content: bytes | None
    ) -> IResponse:
        """Send a request; return the response without its body."""
        agent = Agent.usingEndpointFactory(self._reactor, endpoints)
        said = _AGENT.copy()
        for name, value in headers.items():
            said.setRawHeaders(name, [value])
        producer = None if content is None else _RequestBody(content)
        try:
            response: IResponse = await agent.request(method.encode("ascii"), url.encode("ascii"), said, producer)
            return response
        except ResolutionFailed as failure:
            raise FetchFailed(failure.sentence) from None
        except (ConnectError, ConnectionLost, ResponseFailed, OSError, ValueError) as error:
            raise FetchFailed(f"it cannot be fetched: {error}") from None


def _too_late(result: object, seconds: float) -> NoReturn:
    raise FetchFailed(f"no answer within {seconds:g} s")


@implementer(IBodyProducer)
class _RequestBody:
    """The body of a request, which is small enough to be written at once."""

    def __init__(self, content: bytes) -> None:
        self.length = len(content)
        self._content = content

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._content)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Do nothing: everything has been written."""

    def resumeProducing(self) -> None:
        """Do nothing."""

    def stopProducing(self) -> None:
        """Do nothing."""


class _Body(Protocol):
    """The body of a response, up to a size."""

    def __init__(self, most: int) -> None:
        self._pieces: list[bytes] = []
        self._left = most
        self.whole: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        else:
            self._pieces.clear()
            self.whole.errback(FetchFailed("it is too long"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(
            ResponseDone, PotentialDataLoss
        ):  # without Content-Length, the end of the connection is its end
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(FetchFailed("the connection ended too early"))


@implementer(IAgentEndpointFactory)
class _EndpointMaker:
    """Makes the endpoint for the host of a URL."""

    def __init__(self, reactor: IReactor, resolver: AddressBook, authorities: Authorities, most: int) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities
        self._most = most
        self._connections: list[ProtocolWrapper] = []

    def cut(self) -> None:
        """Abort the connections, of which nothing more is wanted."""
        for connection in self._connections:
            connection.abortConnection()

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii").strip("[]")
        most = self._most + _HEADER_BYTES
        plain = _Judged(self._reactor, self._resolver, host, uri.port, most, self._connections.append)
        if uri.scheme == b"http":
            return plain
        roots = trustRootFromCertificates([Certificate(X509.from_cryptography(each)) for each in self._authorities()])
        return wrapClientTLS(optionsForClientTLS(host, roots), plain)


@implementer(IStreamClientEndpoint)
class _Judged:
    """A host and port; only the addresses to which other domains may lead us are tried."""

    def __init__(
        self,
        reactor: IReactor,
        resolver: AddressBook,
        host: str,
        port: int,
        most: int,
        connected: Callable[[ProtocolWrapper], None],
    ) -> None:
        """`connected` is called with the connection when there is one."""
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._port = port
        self._most = most
        self._connected = connected

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> IProtocol:
        wrapping = WrappingFactory(factory)
        wrapping.noisy = False
        wrapping.protocol = lambda *made: _CountedConnection(self._most, *made)
        problem: Exception = ConnectError(string="no address")
        for address in await self._resolver.addresses(self._host, self._port):
            kind: Callable[..., Any] = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            endpoint = kind(self._reactor, address, self._port, timeout=CONNECT_SECONDS)
            try:
                connection = await endpoint.connect(wrapping)
                self._connected(connection)
                wrapped: IProtocol = connection.wrappedProtocol
                return wrapped
            except ConnectError as error:
                problem = error
        raise problem


class _CountedConnection(ProtocolWrapper):
    """A connection that is cut when more has come than allowed, such as endless headers."""

    def __init__(self, most: int, *made: Any) -> None:
        super().__init__(*made)
        self._left = most

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self.transport.abortConnection()  # type: ignore[union-attr]
        else:
            super().dataReceived(data)
