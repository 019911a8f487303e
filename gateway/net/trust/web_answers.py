"""What one small request to the web brings: an answer, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from cryptography import x509

from gateway.xmpp.errors import GatewayError

if TYPE_CHECKING:
    from twisted.web.http_headers import Headers

Authorities = Callable[[], Iterable[x509.Certificate]]


class FetchFailed(GatewayError):
    """A document could not be fetched, for the reason in the message."""


class WebAnswer(NamedTuple):
    """The answer of a web server, of any status."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str:
        """Return the first value of a header; empty if there is none."""
        values = self.headers.getRawHeaders(name.encode("ascii"), [b""])
        return values[0].decode("ascii", "replace")


class AddressBook(Protocol):
    """Where the addresses of a host come from, already judged."""

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """Return the addresses at which to connect; raise ResolutionFailed if there are none."""
