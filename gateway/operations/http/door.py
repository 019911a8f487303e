"""The http port: a twisted.web Site of pages that can only be read.

It is meant for loopback and internal networks, without login or TLS, so it accepts as little as a web server can:

- GET and HEAD, without a body; everything else is answered with an error, whatever the path
- one request at a time: if others follow in the same read, the connection ends after the first answer
- on loopback, only names that a foreign web page cannot point at us (DNS rebinding): IP addresses, names without a dot,
  and the domains that this gateway answers for
- every answer has a content security policy that lets a page load nothing but its own style and script

Pages are made on request, by functions that read the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from twisted.web.http import NOT_FOUND, REQUEST_ENTITY_TOO_LARGE
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request, Site

from gateway.timing.reactor import IReactor
from gateway.xmpp.ip_addresses import as_dialled

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "xmpp-gateway",
}

IDLE_SECONDS = 60
METHOD_NOT_ALLOWED = 405
MISDIRECTED_REQUEST = 421


@dataclass(frozen=True, kw_only=True)
class Response:
    """The content of an answer: its text or bytes, its content type, and the HTTP status."""

    body: str | bytes
    kind: str = "text/plain; charset=utf-8"
    status: int = 200


ONLY_READING = Response(body="This port is read-only: use GET or HEAD.\n", status=METHOD_NOT_ALLOWED)
NO_BODY = Response(body="Requests must not have a body.\n", status=REQUEST_ENTITY_TOO_LARGE)
NO_SUCH_PAGE = Response(body="No such page. Try /, /healthz or /metrics.\n", status=NOT_FOUND)
OTHER_NAME = Response(
    body="This gateway does not have that name. Use its address, as in http://127.0.0.1.\n", status=MISDIRECTED_REQUEST
)


class ReadOnlyRequest(Request):
    """A request of which only the head is read."""

    has_body = False

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0)
        self.has_body = length is None or length > 0

    def handleContentChunk(self, data: bytes) -> None:
        """Discard the body."""


class HTTPDoor(Site):
    """The site of the http port."""

    requestFactory = ReadOnlyRequest
    displayTracebacks = False
    noisy = False

    def __init__(self, pages: Mapping[str, IResource], names: Callable[[], Iterable[str]], reactor: IReactor) -> None:
        """`pages` by path; `names` returns the domain names under which requests are accepted."""
        root = Page(lambda: NO_SUCH_PAGE)
        for path, page in pages.items():
            _put(root, path, page)
        super().__init__(root, timeout=IDLE_SECONDS, reactor=reactor)
        self._names = names

    def getResourceFor(self, request: Request) -> IResource:
        """Return the page for a request, or a refusal."""
        for name, value in SECURITY_HEADERS.items():
            request.setHeader(name, value)
        if request.channel.clearLineBuffer():
            # Somebody who sends further requests without waiting could have us make thousands of pages in one turn.
            request.setHeader("Connection", "close")
            request.channel.persistent = False
        refusal = self._refusal(request)
        return super().getResourceFor(request) if refusal is None else Page(lambda: refusal)

    def _refusal(self, request: Any) -> Response | None:
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader("Allow", "GET, HEAD")
            return ONLY_READING
        if request.has_body:
            request.setHeader("Connection", "close")
            return NO_BODY
        if _is_loopback(request.getHost()) and not self._knows(request.getRequestHostname().decode("ascii", "replace")):
            return OTHER_NAME
        return None

    def _knows(self, name: str) -> bool:
        """Return whether this is a name that strangers cannot point at us."""
        name = name.lower().rstrip(".")
        return "." not in name or _is_address(name) or name in self._names()

    def log(self, request: object) -> None:
        """Log nothing: that somebody reads a page is not worth a line."""


class Page(Resource):
    """A page that a function makes on request."""

    def __init__(self, make: Callable[[], Response]) -> None:
        super().__init__()
        self._make = make

    def getChild(self, path: bytes, request: Request) -> Resource:
        return Page(lambda: NO_SUCH_PAGE)

    def render(self, request: Request) -> bytes:
        answer = self._make()
        body = answer.body.encode("utf-8") if isinstance(answer.body, str) else answer.body
        request.setResponseCode(answer.status)
        request.setHeader("Content-Type", answer.kind)
        request.setHeader("Content-Length", str(len(body)))
        return b"" if request.method == b"HEAD" else body


def _put(root: Resource, path: str, page: IResource) -> None:
    *folders, name = path.removeprefix("/").encode("ascii").split(b"/")
    for folder in folders:
        root = root.children[folder]
    root.putChild(name, page)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(host: Any) -> bool:
    try:
        return as_dialled(ip_address(host.host)).is_loopback
    except (AttributeError, ValueError):
        return True  # a Unix socket
