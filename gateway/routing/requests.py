"""Requests: the iq requests that went to somebody who may go away before answering (RFC 6120 §8.2.3).

An iq of type get or set must be answered, also when the one who was asked is gone. So what went to a component or to
a remote domain is remembered until its answer passes; when that connection ends, all that is open there can be
answered with an error, and an answer that comes after all is one too many. A request is known by who asked, who was
asked, and its id, never by the id alone (CVE-2024-46957). The tables are bounded: of each responder, and of those given
up, the oldest request is forgotten when there are too many.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from gateway.xmpp.stanzas import Stanza

Key = tuple[str, str, str | None]


class Requests:
    """The requests that wait for an answer, by the one who has to give it."""

    def __init__(self, most_each: int = 10_000) -> None:
        self._most_each = most_each
        self._open: dict[Hashable, OrderedDict[Key, Stanza]] = {}
        self._given_up: OrderedDict[Key, None] = OrderedDict()

    def asked(self, responder: Hashable, stanza: Stanza) -> None:
        """A request was handed to `responder`."""
        waiting = self._open.setdefault(responder, OrderedDict())
        # What an error reply needs, and no more: payloads are not kept.
        key = _key(stanza.from_, stanza.to, stanza.id)
        # Only what is not plain ASCII can be longer as it is prepared than as it was written.
        head = b"" if stanza.raw.isascii() and b"&" not in stanza.raw else stanza.head()
        waiting[key] = Stanza(stanza.name, head, stanza.to, stanza.from_, stanza.type, stanza.id)
        self._given_up.pop(key, None)  # an id may be used again
        if len(waiting) > self._most_each:
            waiting.popitem(last=False)

    def answered(self, responder: Hashable, response: Stanza) -> bool:
        """A result or error came from `responder`; False when somebody has answered in its place already."""
        key = _key(response.to, response.from_, response.id)
        waiting = self._open.get(responder)
        if waiting is not None:
            waiting.pop(key, None)
            if not waiting:
                del self._open[responder]
        if key not in self._given_up:
            return True
        del self._given_up[key]
        return False

    def waiting(self, responder: Hashable) -> frozenset[Key]:
        """The requests that wait for `responder` now."""
        return frozenset(self._open.get(responder, ()))

    def abandoned(self, responder: Hashable, among: frozenset[Key] | None = None) -> list[Stanza]:
        """`responder` is gone: the requests that it leaves open, all or `among` these, oldest first and forgotten."""
        waiting = self._open.pop(responder, OrderedDict())
        left = [key for key in waiting if among is None or key in among]
        requests = [waiting.pop(key) for key in left]
        if waiting:
            self._open[responder] = waiting
        self._give_up(left)
        return requests

    def _give_up(self, keys: list[Key]) -> None:
        self._given_up.update(dict.fromkeys(keys))
        while len(self._given_up) > self._most_each:
            self._given_up.popitem(last=False)

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))


def _key(asker: object, asked: object, id_: str | None) -> Key:
    return (str(asker), str(asked), id_)
