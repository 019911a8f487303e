"""PostQueue: what a service posts to a program, one request after the other, until the program has accepted each.

What is in the queue is in the storage of the service, so it survives a restart. It is posted in order. Each item has an
id that stays the same over all attempts, so that a program that has taken an item and whose answer was lost recognises
the repetition. An attempt that fails is repeated with growing pauses, until the item is too old.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IHostnameResolver, IHostResolution, IReactorTime, IResolutionReceiver
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.bounds.tables import family
from gateway.bundled.options import is_literally_private
from gateway.handlers.storing import ServiceStorage
from gateway.net.trust.fetching import Fetcher
from gateway.net.trust.web_answers import FetchFailed, WebAnswer
from gateway.storage.errors import StoreFull, StoreUnavailable
from gateway.timing.reactor import IReactor
from gateway.timing.timers import Timer
from gateway.xmpp.errors import ResolutionFailed, StanzaCondition, StanzaError

MOST_POSTS = 1000
"""The most items that wait."""
MOST_POSTS_OF_ONE = 100
"""The most of them from one sender."""
MOST_POSTS_OF_A_DOMAIN = 500
"""The most of them from one domain and those below it."""
MOST_ITEM_BYTES = 60_000
"""The most bytes of one item, as JSON."""
ATTEMPT_SECONDS = 30.0
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
LONGEST_WISH = 3600.0  # of the program, in Retry-After
_MOST_ANSWER = 65_536
_PREFIX = "post/"
_REFUSALS = frozenset({400, 413, 415, 422})  # the item is wrong, and would be next time


class PostOutcome(Enum):
    """The outcome of one attempt."""

    TAKEN = auto()
    REFUSED = auto()  # this item will never be taken
    FAILED = auto()  # it may be taken later


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where items are posted."""

    url: str = field(repr=False)  # its path or query may be a secret
    token: str = field(default="", repr=False)
    keep_seconds: float = 86_400.0

    @property
    def shown(self) -> str:
        """The URL as logs have it: without its path and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


@dataclass(frozen=True, kw_only=True)
class PostItem:
    """One post: its id, when it was accepted, the bare address that caused it, and what the program gets."""

    id: str
    accepted: float
    sender: str
    content: Mapping[str, Any]


GiveUp = Callable[[PostItem, StanzaError], None]
"""Called with an item that the program does not take."""


class PostQueue:
    """The items of one service that wait to be posted."""

    def __init__(
        self,
        destination: Destination,
        fetcher: Fetcher,
        storage: ServiceStorage,
        *,
        clock: IReactorTime,
        now: Callable[[], float],
        log: Logger,
        give_up: GiveUp,
    ) -> None:
        """`now` is the time of day."""
        self._destination = destination
        self._fetcher = fetcher
        self._storage = storage
        self._now = now
        self._log = log
        self._give_up = give_up
        self._waiting: dict[str, PostItem] = {}  # by key, oldest first
        self._unwritten: set[str] = set()  # keys of those that are not in the store yet
        self._of_sender: Counter[str] = Counter()
        self._of_family: Counter[str] = Counter()
        self._number = 0
        self._failures = 0  # since an attempt succeeded
        self._attempt: Deferred[None] | None = None
        self._pause = Timer(clock)
        self._is_open = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def open(self) -> None:
        """Read what waited before a restart, and begin."""
        for key, value in (await self._storage.items(_PREFIX)).items():
            self._keep(key, PostItem(**value))
            self._number = max(self._number, int(key.removeprefix(_PREFIX)))
        self._is_open = True
        self._go_on()

    def close(self) -> None:
        """Stop posting; waiting items are posted after the next `open`."""
        self._is_open = False
        self._pause.stop()
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.cancel()

    async def put(self, item: PostItem) -> None:
        """Take an item over; when this returns, it is in the store. Raise StanzaError if there is no room for it."""
        if (
            len(self) >= MOST_POSTS
            or self._of_sender[item.sender] >= MOST_POSTS_OF_ONE
            or self._of_family[_family(item)] >= MOST_POSTS_OF_A_DOMAIN
        ):
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many messages wait to be passed on")
        if len(json.dumps(vars(item), ensure_ascii=False).encode()) > MOST_ITEM_BYTES:
            raise StanzaError(StanzaCondition.POLICY_VIOLATION, f"more than {MOST_ITEM_BYTES} bytes are not passed on")
        self._number += 1
        key = f"{_PREFIX}{self._number:016d}"
        self._keep(key, item)
        self._unwritten.add(key)
        try:
            await self._storage.set(key, vars(item))
        except (StoreFull, StoreUnavailable) as error:
            self._forget(key)
            raise StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "the message cannot be kept now") from error
        finally:
            self._unwritten.discard(key)
            self._go_on()

    def _keep(self, key: str, item: PostItem) -> None:
        self._waiting[key] = item
        self._of_sender[item.sender] += 1
        self._of_family[_family(item)] += 1

    def _forget(self, key: str) -> None:
        item = self._waiting.pop(key)
        for counter, cause in ((self._of_sender, item.sender), (self._of_family, _family(item))):
            counter[cause] -= 1
            if not counter[cause]:
                del counter[cause]

    # -- posting -----------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        """Post the oldest item, unless it is not in the store yet, an attempt is under way, or it is too early."""
        if not self._is_open or self._attempt is not None or self._pause.is_running or not self._waiting:
            return
        key, item = next(iter(self._waiting.items()))
        if key in self._unwritten:
            return
        attempt = self._attempt = Deferred.fromCoroutine(self._post(key, item))
        attempt.addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._attempt = None
            self._log.failure("an attempt to post failed unexpectedly", failure)
            self._pause.start(LONGEST_PAUSE, self._go_on)

    async def _post(self, key: str, item: PostItem) -> None:
        if self._now() - item.accepted >= self._destination.keep_seconds:
            hours = f"{self._destination.keep_seconds / 3600:g}"
            late = f"the program behind this address has not answered for {hours} hours"
            self._give_up(item, StanzaError(StanzaCondition.REMOTE_SERVER_TIMEOUT, late))
            await self._done(key)
            return
        outcome, problem, wish = await self._try(item)
        if outcome is PostOutcome.FAILED:
            self._failed(problem, wish)
            return
        if self._failures:
            self._log.info("{url} accepts posts again", url=self._destination.shown)
            self._failures = 0
        if outcome is PostOutcome.REFUSED:
            self._log.warn("{url} has refused an item: {problem}", url=self._destination.shown, problem=problem)
            refused = "the program behind this address has refused the message"
            self._give_up(item, StanzaError(StanzaCondition.NOT_ACCEPTABLE, refused))
        await self._done(key)

    async def _try(self, item: PostItem) -> tuple[PostOutcome, str, float]:
        """Post an item once; return the outcome, the problem in words, and the pause that the program wants."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": item.id}
        if self._destination.token:
            headers["Authorization"] = f"Bearer {self._destination.token}"
        content = json.dumps({"id": item.id, **item.content}).encode()
        url = self._destination.url
        try:
            answer = await self._fetcher.exchange(
                "POST",
                url,
                headers=headers,
                content=content,
                most=_MOST_ANSWER,
                seconds=ATTEMPT_SECONDS,
                needs_body=False,
            )
        except FetchFailed as failure:
            return PostOutcome.FAILED, str(failure), 0.0
        return judged(answer)

    async def _done(self, key: str) -> None:
        """Forget a finished item, and continue with the next one."""
        self._forget(key)
        try:
            await self._storage.delete(key)
        except StoreUnavailable as error:
            self._log.warn(
                "an item that was posted is still in the store, and may be posted again: {error}", error=error
            )
        self._attempt = None
        if self._is_open:
            self._pause.start(0, self._go_on)

    def _failed(self, problem: str, wish: float) -> None:
        self._attempt = None
        self._failures += 1
        pause = max(wish, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._failures - 1, 16)))
        if self._failures == 1:
            text = (
                "{url} does not accept posts: {problem}. The gateway tries again, at intervals of up to {longest:g} s"
            )
            self._log.warn(text, url=self._destination.shown, longest=LONGEST_PAUSE, problem=problem)
        self._pause.start(pause, self._go_on)


def _family(item: PostItem) -> str:
    return family(item.sender.rpartition("@")[2])


def judged(answer: WebAnswer) -> tuple[PostOutcome, str, float]:
    """Return what the answer of a program means: the outcome, the problem in words, and the pause that it wants.

    Only an answer that says that this very item is wrong ends it. Everything else, from a wrong token to a wrong path,
    can be repaired while the item waits.
    """
    if 200 <= answer.status < 300:
        return PostOutcome.TAKEN, "", 0.0
    problem = f"it answered with {answer.status}"
    if answer.status in _REFUSALS:
        return PostOutcome.REFUSED, problem, 0.0
    if 300 <= answer.status < 400:
        problem += ", a redirect, which is not followed: set post_to to the right URL"
    elif answer.status in (401, 403):
        problem += ": check post_token"
    wish = answer.header("Retry-After")
    seconds = min(float(wish), LONGEST_WISH) if wish.isascii() and wish.isdigit() and len(wish) < 10 else 0.0
    return PostOutcome.FAILED, problem, seconds


class SystemAddresses:
    """The addresses of hosts, as the system knows them.

    A name leads only to public addresses, because its owner can point it at any machine; the operator may allow others.
    An address in the URL itself is the operator's own decision, and so is `localhost`.
    """

    def __init__(self, reactor: IReactor, *, private: bool) -> None:
        self._resolver: IHostnameResolver = reactor.nameResolver
        self._private = private

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Return the addresses at which to connect; raise ResolutionFailed if there are none."""
        found = _Found()
        self._resolver.resolveHostName(found, host, port)
        addresses = await found.whole
        if not addresses:
            raise ResolutionFailed(f"{host} has no address", permanent=False)
        if self._private or is_literally_private(host):
            return tuple(addresses)
        public = tuple(each for each in addresses if ip_address(each.partition("%")[0]).is_global)
        if not public:
            why = f"{host} leads to {addresses[0]}, which is not a public address: set private = true if it may"
            raise ResolutionFailed(why, permanent=False)
        return public


@implementer(IResolutionReceiver)
class _Found:
    """The addresses that are found."""

    def __init__(self) -> None:
        self.whole: Deferred[list[str]] = Deferred()
        self._addresses: list[str] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Do nothing: it ends in any case."""

    def addressResolved(self, address: Any) -> None:
        self._addresses.append(address.host)

    def resolutionComplete(self) -> None:
        self.whole.callback(self._addresses)
