"""Requests: open iq requests to responders that may disappear before they answer (RFC 6120 §8.2.3).

An iq of type get or set must be answered, even if the responder is gone. So requests to a component or to a remote
domain are remembered until the answer passes. When the connection ends, all open requests on it can be answered with an
error, and a later answer is recognised as superfluous. A request is identified by its asker, its responder and its id,
never by the id alone (CVE-2024-46957).

The tables are bounded, in number and, because strangers choose the length of ids, in bytes. When one responder has too
many open requests, the oldest ones of the domain with the most are forgotten: their askers may get no answer if that
responder disappears. Of requests that were given up, digests are kept, bounded in the same way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from hashlib import blake2b
from sys import getsizeof

from gateway.bounds.tables import Bounded, family
from gateway.xmpp.stanzas import AddressedStanza

RequestKey = tuple[str, str, str | None]

OWN = "xg."
"""The beginning of a resource from which one of several gateways asks for itself; the name of its node follows."""

MOST_OWN = 10_000  # our own questions that wait for an answer
_EACH = 512  # bytes of a request beside its id and its addresses

MOST_EACH, MOST_BYTES_EACH = 10_000, 8 << 20
"""The limits on requests that wait for one responder: number and memory."""


class Requests:
    """The requests that wait for an answer, by responder."""

    def __init__(self, most_each: int = MOST_EACH, most_bytes_each: int = MOST_BYTES_EACH) -> None:
        """The limits for one responder: `most_each` requests, `most_bytes_each` bytes."""
        self._most_each = most_each
        self._most_bytes_each = most_bytes_each
        self._open: dict[Hashable, _Unanswered] = {}
        self._given_up: Bounded[bytes, None] = Bounded(most_each)

    def asked(self, responder: Hashable, stanza: AddressedStanza, via: object = None) -> None:
        """Record that a request was passed to `responder`; `via` is the connection, where it has several."""
        waiting = self._open.get(responder)
        if waiting is None:
            waiting = self._open[responder] = _Unanswered()
        key = request_key(stanza.from_, stanza.to, stanza.id)
        # This is what an error reply needs; payloads are not kept. Only an address beyond plain ASCII can be longer in
        # its prepared form than it was written.
        head = b"" if stanza.raw.isascii() and b"&" not in stanza.raw else stanza.head()
        waiting.add(key, AddressedStanza(stanza.name, head, stanza.to, stanza.from_, stanza.type, stanza.id), via)
        if self._given_up:
            self._given_up.pop(_digest(key))  # an id may be used again
        if len(waiting) > self._most_each or waiting.size > self._most_bytes_each:
            waiting.make_room(self._most_each, self._most_bytes_each)

    def answered(self, responder: Hashable, response: AddressedStanza) -> bool:
        """Take a result or error from `responder`; return False if the request has already
        been answered in its place.
        """
        key = request_key(response.to, response.from_, response.id)
        waiting = self._open.get(responder)
        if waiting is not None:
            waiting.forget(key)
            if not waiting:
                del self._open[responder]
        digest = _digest(key) if self._given_up else b""
        if digest not in self._given_up:
            return True
        self._given_up.pop(digest)
        return False

    def is_open(self, responder: Hashable, key: RequestKey) -> bool:
        """Return whether a request waits for `responder`, or was given up, so that its answer is superfluous."""
        waiting = self._open.get(responder)
        return (waiting is not None and key in waiting.requests) or (
            bool(self._given_up) and _digest(key) in self._given_up
        )

    def waiting(self, responder: Hashable, via: object = None) -> frozenset[RequestKey]:
        """Return the requests that wait for `responder` now; with `via`, those that were passed to it on that way."""
        waiting = self._open.get(responder)
        if waiting is None:
            return frozenset()
        return frozenset(
            waiting.requests if via is None else [key for key in waiting.requests if waiting.via(key) is via]
        )

    def abandoned(self, responder: Hashable, among: frozenset[RequestKey] | None = None) -> list[AddressedStanza]:
        """Forget and return the open requests of a lost `responder`, all or `among` these, oldest first."""
        waiting = self._open.get(responder)
        if waiting is None:
            return []
        left = [key for key in waiting.requests if among is None or key in among]
        requests = [request for key in left if (request := waiting.forget(key)) is not None]
        if not waiting:
            del self._open[responder]
        self._give_up(left)
        return requests

    def _give_up(self, keys: list[RequestKey]) -> None:
        for key in keys:
            self._given_up.put(_digest(key), None, family(domain_in(key[0])))

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))


class OwnQuestions:
    """Our own questions, sent from a resource that nobody else has: the answers are for nobody else."""

    def __init__(self) -> None:
        self._open: Bounded[tuple[str, str | None], Callable[[AddressedStanza], None]] = Bounded(MOST_OWN)

    def __bool__(self) -> bool:
        return bool(self._open)

    def ask(self, question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """Call `answered` with the result or the error when it comes, by whatever stream."""
        self._open.put((str(question.from_), question.id), answered, family(question.to.domain))

    def take(self, response: AddressedStanza) -> bool:
        """Return whether a response was for us."""
        answered = self._open.pop((str(response.to), response.id))
        if answered is None:
            return False
        answered(response)
        return True


class _Unanswered:
    """The requests that wait for one responder, oldest first, and their size in bytes."""

    __slots__ = ("_via", "requests", "size")

    def __init__(self) -> None:
        self.requests: dict[RequestKey, AddressedStanza] = {}
        self.size = 0
        self._via: dict[RequestKey, object] = {}

    def __len__(self) -> int:
        return len(self.requests)

    def add(self, key: RequestKey, request: AddressedStanza, via: object) -> None:
        """Remember one, as the latest."""
        if key not in self.requests:
            self.size += _size(key)
        self.requests[key] = request
        if via is not None:
            self._via[key] = via

    def via(self, key: RequestKey) -> object:
        """Return on which way a request was passed on, if that is known."""
        return self._via.get(key)

    def forget(self, key: RequestKey) -> AddressedStanza | None:
        """Forget one, if it is there."""
        request = self.requests.pop(key, None)
        if request is not None:
            self.size -= _size(key)
            if self._via:
                self._via.pop(key, None)
        return request

    def make_room(self, most: int, most_bytes: int) -> None:
        """Forget the oldest of the domain that asks the most, until there is some room again."""
        most, most_bytes = most - most // 8, most_bytes - most_bytes // 8
        while len(self) > most or self.size > most_bytes:
            shares: defaultdict[str, list[RequestKey]] = defaultdict(list)
            sizes: defaultdict[str, int] = defaultdict(int)
            for key in self.requests:
                domain = domain_in(key[0])
                shares[domain].append(key)
                sizes[domain] += _size(key)
            for key in shares[max(sizes, key=sizes.__getitem__)]:
                self.forget(key)
                if len(self) <= most and self.size <= most_bytes:
                    return


def request_key(asker: object, asked: object, id_: str | None) -> RequestKey:
    """Return what identifies a request."""
    return (str(asker), str(asked), id_)


def _size(key: RequestKey) -> int:
    asker, asked, id_ = key
    return _EACH + len(asker) + len(asked) + getsizeof(id_)


def domain_in(asker: str) -> str:
    """Return the domain of an address in a key."""
    return asker.partition("/")[0].rpartition("@")[2]


def _digest(key: RequestKey) -> bytes:
    asker, asked, id_ = key
    text = "\0".join((asker, asked, "" if id_ is None else "1" + id_))  # no address and no id contains U+0000
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
