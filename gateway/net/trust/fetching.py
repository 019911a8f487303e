"""Fetching: one small document from the web, from a URL that another party has named.

So it is limited in time and size, follows no redirect, and connects only where other domains may lead us (see
`net.dns.destinations`): the addresses of the host are looked up and checked like those of a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from cryptography import x509
from OpenSSL.crypto import X509
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.interfaces import IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import Certificate, optionsForClientTLS, trustRootFromCertificates
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, ResponseDone, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from gateway.net.dns.resolver import Resolver
from gateway.xmpp.errors import GatewayError, ResolutionFailed

CONNECT_SECONDS = 5.0
Authorities = Callable[[], Iterable[x509.Certificate]]
_HEADER_BYTES = 65536
_OK = 200
_AGENT = Headers({b"User-Agent": [b"xmpp-gateway"]})


class FetchFailed(GatewayError):
    """A document could not be fetched, for the reason in the message."""


class Fetcher:
    """Fetches documents."""

    def __init__(self, reactor: Any, resolver: Resolver, authorities: Authorities = tuple) -> None:
        """`authorities` are those that prove web servers, for HTTPS."""
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities

    async def fetch(self, url: str, *, most: int, seconds: float) -> bytes:
        """Return the document at a URL; raise FetchFailed if it takes longer, is larger, or the status is not 200."""

        def too_late(result: object, seconds: float) -> bytes:
            raise FetchFailed(f"no answer within {seconds:g} s")

        whole = Deferred.fromCoroutine(self._fetch(url, most))
        return await whole.addTimeout(seconds, self._reactor, too_late)

    async def _fetch(self, url: str, most: int) -> bytes:
        endpoints = _Endpoints(self._reactor, self._resolver, self._authorities, most)
        agent = Agent.usingEndpointFactory(self._reactor, endpoints)
        try:
            response = await agent.request(b"GET", url.encode("ascii"), _AGENT)
            if response.code != _OK:
                raise FetchFailed(f"the server answered with {response.code}")
            body = _Body(most)
            response.deliverBody(body)
            return await body.whole
        except ResolutionFailed as failure:
            raise FetchFailed(failure.sentence) from None
        except (ConnectError, ConnectionLost, ResponseFailed, OSError, ValueError) as error:
            raise FetchFailed(f"it cannot be fetched: {error}") from None


class _Body(Protocol):
    """The body of a response, up to a size."""

    def __init__(self, most: int) -> None:
        self._pieces: list[bytes] = []
        self._left = most
        self.whole: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left >= 0:
            self._pieces.append(data)
        elif self.transport is not None:
            self._pieces.clear()
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if self._left < 0:
            self.whole.errback(FetchFailed("it is too long"))
        elif reason.check(ResponseDone):
            self.whole.callback(b"".join(self._pieces))
        else:
            self.whole.errback(FetchFailed("the connection ended too early"))


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Makes the endpoint for the host of a URL."""

    def __init__(self, reactor: Any, resolver: Resolver, authorities: Authorities, most: int) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities
        self._most = most

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        host = uri.host.decode("ascii").strip("[]")
        plain = _Judged(self._reactor, self._resolver, host, uri.port, self._most + _HEADER_BYTES)
        if uri.scheme == b"http":
            return plain
        roots = trustRootFromCertificates([Certificate(X509.from_cryptography(each)) for each in self._authorities()])
        return wrapClientTLS(optionsForClientTLS(host, roots), plain)


@implementer(IStreamClientEndpoint)
class _Judged:
    """A host and port; only the addresses to which other domains may lead us are tried."""

    def __init__(self, reactor: Any, resolver: Resolver, host: str, port: int, most: int) -> None:
        self._reactor = reactor
        self._resolver = resolver
        self._host = host
        self._port = port
        self._most = most

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[Any]:
        return Deferred.fromCoroutine(self._connect(protocolFactory))

    async def _connect(self, factory: IProtocolFactory) -> Any:
        wrapping = WrappingFactory(factory)
        wrapping.noisy = False
        wrapping.protocol = lambda *made: _Counted(self._most, *made)
        problem: Exception = ConnectError(string="no address")
        for address in await self._resolver.addresses(self._host, self._port):
            kind: Callable[..., Any] = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
            endpoint = kind(self._reactor, address, self._port, timeout=CONNECT_SECONDS)
            try:
                return (await endpoint.connect(wrapping)).wrappedProtocol
            except ConnectError as error:
                problem = error
        raise problem


class _Counted(ProtocolWrapper):
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
