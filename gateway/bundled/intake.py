"""HTTPIntake: an HTTP port that takes JSON by POST from programs that have a token.

    POST /messages HTTP/1.1
    Authorization: Bearer TOKEN
    Content-Type: application/json

It takes as little as a web server can. A body is limited in size, the requests in number a minute, and the connections
in number, with a share for each address. The token is compared in constant time, and is neither logged nor shown. Every
refusal is JSON with one sentence that says what is wrong and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Any, cast

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from gateway.bounds.tables import Rates, Seldom, neighbourhood
from gateway.handlers.context import ServiceContext
from gateway.net.listen.few_connections import FewConnections
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import GatewayError

MOST_BODY = 65_536
"""The most bytes in the body of a request."""
IDLE_SECONDS = 60
_MOST_DISCARDED = 16 * MOST_BODY  # read past a body that is too large, so that its sender reads the answer

BAD_REQUEST = 400
UNAUTHORIZED = 401
NOT_FOUND = 404
NOT_ALLOWED = 405
TOO_LARGE = 413
TOO_MANY = 429
BROKEN = 500

Taken = Mapping[str, Any]


def reactor_of(context: ServiceContext) -> IReactor:
    """Return the reactor. Outside of tests the clock of a service is one, and only a service with sockets needs it."""
    return cast(IReactor, context.clock)


class IntakeRefused(GatewayError):
    """The request is refused with an HTTP status and a sentence for its sender."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(problem)
        self.status = status
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class IntakeRules:
    """What a port takes: at which path, with which token, and how much."""

    path: str
    token: str = field(repr=False)
    per_minute: float
    too_many: int = TOO_MANY  # the status for more requests than that


class HTTPIntake:
    """One HTTP port."""

    def __init__(
        self, rules: IntakeRules, take: Callable[[object, Mapping[str, str]], Any], clock: IReactor, log: Logger
    ) -> None:
        """`take` gets the JSON of a request and its headers, by their names in lower case.

        It returns the status and the JSON of the answer, or a Deferred of these; IntakeRefused is for the sender.
        """
        self._rules = rules
        self._take = take
        self._clock = clock
        self._log = log
        self._rates = Rates(1)
        self._failures = Seldom()
        self._port: IListeningPort | None = None
        self.site = _IntakeSite(self, clock)
        self._crowd = FewConnections(self.site)

    async def open(self, endpoint: str) -> None:
        """Listen at a Twisted server endpoint; raise what Twisted raises if that is not possible."""
        self._port = await serverFromString(self._clock, endpoint).listen(self._crowd)

    async def close(self) -> None:
        """Close the port and all connections."""
        port, self._port = self._port, None
        if port is not None:
            await maybeDeferred(port.stopListening)
        self._crowd.end()

    async def answer(self, request: IntakeRequest) -> tuple[int, Taken]:
        """Return the status and the JSON that answer a request."""
        try:
            self._check(request)
            headers = {
                name.decode("latin-1").lower(): values[-1].decode("latin-1")
                for name, values in request.requestHeaders.getAllRawHeaders()
            }
            taken: tuple[int, Taken] = await maybeDeferred(self._take, _json(request), headers)
        except IntakeRefused as refused:
            return refused.status, {"error": refused.problem}
        except Exception:
            self._log.failure("a request to {path} failed", path=self._rules.path)
            return BROKEN, {"error": "the service failed; its log says why"}
        return taken

    def _check(self, request: IntakeRequest) -> None:
        """Refuse a request that need not be read: who asks comes first, so that strangers learn nothing."""
        if not self._has_token(request):
            self._tell_failure(request)
            request.setHeader("WWW-Authenticate", "Bearer")
            wrong = "the token is missing or wrong: send the header 'Authorization: Bearer TOKEN'"
            raise IntakeRefused(UNAUTHORIZED, wrong)
        if request.path.decode("latin-1") != self._rules.path:
            raise IntakeRefused(NOT_FOUND, f"there is nothing at this path: use POST {self._rules.path}")
        if request.method != b"POST":
            request.setHeader("Allow", "POST")
            raise IntakeRefused(NOT_ALLOWED, f"use POST, not {request.method.decode('latin-1')[:20]}")
        if request.is_too_large:
            request.setHeader("Connection", "close")
            raise IntakeRefused(TOO_LARGE, f"the body has more than {MOST_BODY} bytes")
        if not self._rates.allow("", self._rules.per_minute, self._clock.seconds()):
            request.setHeader("Retry-After", str(round(60 / self._rules.per_minute) or 1))
            raise IntakeRefused(
                self._rules.too_many, f"more than {self._rules.per_minute:g} requests a minute: try again later"
            )

    def _has_token(self, request: IntakeRequest) -> bool:
        given, *_ = request.requestHeaders.getRawHeaders(b"authorization", [b""])  # as bytes: it need not be UTF-8
        kind, _, token = given.partition(b" ")
        return kind.lower() == b"bearer" and compare_digest(token.strip(), self._rules.token.encode())

    def _tell_failure(self, request: IntakeRequest) -> None:
        host = getattr(request.getClientAddress(), "host", None) or "a local socket"
        left_out = self._failures.say(neighbourhood(host), self._clock.seconds())
        if left_out is not None:
            text = "a request from {host} without the right token was refused ({left_out} before it were not logged)"
            self._log.warn(text, host=host, left_out=left_out)


class IntakeRequest(Request):
    """A request whose body is read up to a limit."""

    is_too_large = False
    _length = 0

    def gotLength(self, length: int | None) -> None:
        super().gotLength(0)  # it is kept in memory
        self._length = 0
        self.is_too_large = length is not None and length > MOST_BODY
        if length is not None and length > _MOST_DISCARDED:
            self._cut()

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the body, unless there is too much of it."""
        self._length += len(data)
        if self._length > _MOST_DISCARDED:
            self._cut()
        elif self._length > MOST_BODY:
            self.is_too_large = True
        else:
            super().handleContentChunk(data)

    def _cut(self) -> None:
        channel: Any = self.channel
        channel.transport.abortConnection()


class _IntakeSite(Site):
    """The web site of the port.

    It does not parse forms: Twisted would do so before the token is checked, and a nested form of 64 KiB takes seconds.
    """

    displayTracebacks = False
    noisy = False

    def __init__(self, intake: HTTPIntake, clock: IReactor) -> None:
        super().__init__(
            _IntakeResource(intake),
            timeout=IDLE_SECONDS,
            reactor=clock,
            requestFactory=IntakeRequest,
            parsePOSTFormSubmission=False,
        )

    def log(self, request: object) -> None:
        """Log nothing: a line for each request would have what strangers write in its headers."""


class _IntakeResource(Resource):
    """Every path of the port."""

    isLeaf = True

    def __init__(self, intake: HTTPIntake) -> None:
        super().__init__()
        self._intake = intake

    def render(self, request: Any) -> Any:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)  # the answer to one that has left is not written

        def write(answer: tuple[int, Taken]) -> None:
            if not gone:
                status, told = answer
                body = json.dumps(told).encode() + b"\n"
                request.setResponseCode(status)
                request.setHeader("Content-Type", "application/json")
                request.setHeader("Content-Length", str(len(body)))
                request.setHeader("Server", "xmpp-gateway")
                request.write(body)
                request.finish()

        Deferred.fromCoroutine(self._intake.answer(request)).addCallback(write)
        return NOT_DONE_YET


def _json(request: IntakeRequest) -> object:
    """Return what the body says; raise IntakeRefused if it is not JSON."""
    assert request.content is not None
    request.content.seek(0)
    try:
        return json.loads(request.content.read())
    except (ValueError, RecursionError) as error:
        raise IntakeRefused(BAD_REQUEST, f"the body is not JSON: {error}") from None


def read_fields(said: object, fields: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """Return a JSON object whose keys are among these and have these types; raise IntakeRefused if it is not one."""
    if not isinstance(said, dict):
        raise IntakeRefused(BAD_REQUEST, 'the body must be an object, such as {"to": "...", "body": "..."}')
    for name, value in said.items():
        if name not in fields:
            raise IntakeRefused(BAD_REQUEST, f"there is no key {name[:50]!r}; the keys are {', '.join(fields)}")
        if not isinstance(value, fields[name]):
            raise IntakeRefused(BAD_REQUEST, f"{name} must be {_kind(fields[name])}")
    return said


def _kind(kind: type | tuple[type, ...]) -> str:
    words = {str: "a text", list: "a list", dict: "an object", int: "a whole number"}
    return " or ".join(words[each] for each in (kind if isinstance(kind, tuple) else (kind,)))
