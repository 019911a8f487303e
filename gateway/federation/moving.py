"""MovingStreams: streams from other servers that are resumed at another node than the one that has them (XEP-0198 §5).

The id of a stream names the node that has made it. A node that is asked to resume a stream which it does not have asks
that node. The other one handles nothing more on the old connection, settles what it had sent there by the `h` of the
other server, and sends the rest again on its own streams. What moves is one number: how much was handled. So each
stanza ends at the node that has it, and none moves.

A node that has given up a stream remembers to whom, because the id of a stream does not change. One that is dead or
does not answer in time leads to `<failed/>`: then the other server sends again what was not acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred

from gateway.bounds.tables import Bounded, family
from gateway.federation.broken_streams import BrokenStreams, Unsafe
from gateway.federation.resumable_streams import ResumableStreams
from gateway.stream.acknowledgements import MODULUS
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import GatewayError

MOST_MOVED = 10_000
"""Streams that were given up to another node, and whose node is remembered."""
MOST_HOPS = 3
"""Nodes that are asked for one stream, if it has moved more than once."""
QUESTION = "resume"

AskNode = Callable[[str, Mapping[str, Any]], "Deferred[Mapping[str, Any]]"]
NewId = Callable[[], str]


class MovingStreams:
    """The streams that this node gives up to others, and those that it gets from them."""

    def __init__(
        self,
        node: str,
        resumable_streams: ResumableStreams,
        broken: BrokenStreams,
        unsafe: Unsafe,
        ask: AskNode,
        new_id: NewId,
    ) -> None:
        """`ask` has another live node answer a question; it fails with GatewayError if that is not possible."""
        self._node = node
        self._resumable_streams = resumable_streams
        self._broken = broken
        self._unsafe = unsafe
        self._ask = ask
        self._moved: Bounded[str, str] = Bounded(MOST_MOVED)
        self._new_id = new_id

    def new_id(self) -> str:
        """Return an id for a stream that this node has."""
        return f"{self._node}.{self._new_id()}"

    # -- as the node that is asked to resume --------------------------------------------------------------------------

    def seek(self, id_: str, pair: DomainPair, h: int) -> Deferred[int | None]:
        """Have the node that has a stream give it up; return how much it handled, None if it does not answer."""
        return Deferred.fromCoroutine(self._seek(id_, pair, h))

    async def _seek(self, id_: str, pair: DomainPair, h: int) -> int | None:
        node = self._moved.get(id_) or id_.partition(".")[0]
        question = {"what": QUESTION, "id": id_, "from": pair.sender, "to": pair.target, "h": h}
        for _ in range(MOST_HOPS):
            if node == self._node or not node:
                return None
            try:
                answer = await self._ask(node, question)
            except GatewayError:
                return None
            handled = answer.get("h")
            if isinstance(handled, int) and 0 <= handled < MODULUS:
                self._moved.pop(id_)
                return handled
            node = str(answer.get("at", ""))
        return None

    # -- as the node that has the stream -------------------------------------------------------------------------------

    def asked(self, node: str, question: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        """Give a stream up to another node; return its count, or where it is, or nothing."""
        return maybeDeferred(self._until_counted, question).addCallback(lambda _: self._give_up(node, question))

    def _until_counted(self, question: Mapping[str, Any]) -> Deferred[None] | None:
        self._resumable_streams.supersede(str(question["id"]), _pair_of(question))  # nothing more comes meanwhile
        return self._unsafe()

    def _give_up(self, node: str, question: Mapping[str, Any]) -> dict[str, Any]:
        id_, h, pair = str(question["id"]), question["h"], _pair_of(question)
        acknowledgements = self._resumable_streams.give_up(id_, pair)
        if acknowledgements is None:
            at = self._moved.get(id_)
            return {} if at is None else {"at": at}
        self._broken.settle(id_, h if isinstance(h, int) else 0)
        self._broken.resumed(id_)
        self._moved.put(id_, node, family(pair.sender))
        return {"h": acknowledgements.h}


def _pair_of(question: Mapping[str, Any]) -> DomainPair:
    return DomainPair(Domain(str(question["from"])), Domain(str(question["to"])))
