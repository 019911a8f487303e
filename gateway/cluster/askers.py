"""Askers: the answer to a request must reach the node that asked, wherever it comes in.

Another server answers on whatever stream it likes, so an answer may come in at any node. Three kinds are sent on:

    the answer to a question of a gateway itself   its resource names the node
    the answer to a request that crossed to us     we remember where it came from
    an answer that nobody here has asked for       the other nodes are asked whether they have
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.bounds.tables import Bounded, family
from gateway.routing.outflow import Channel
from gateway.routing.requests import OWN, OwnQuestions, RequestKey, request_key
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import AddressedStanza

MOST_CROSSED = 10_000
"""Requests that crossed to this node, and whose asker is remembered."""
MOST_SOUGHT, MOST_SOUGHT_EACH = 100, 10
"""Answers whose asker is being looked for, in all and of one answering domain with its subdomains. Further ones of that
domain stay here. When there are too many in all, a domain with fewer takes a place of the one with the most."""
MOST_ID = 1024
"""Characters of an id that the other nodes are asked about; answers with longer ones stay here."""
MOST_WAITING_ANSWERS, MOST_ANSWER_BYTES = 10_000, 8 << 20
"""Answers that wait for room on the way to one node; of more, the oldest of the domain with the most are dropped."""


class AnswersLane:
    """The way of answers to one node: what the lane has no room for waits, with a share for each answering domain."""

    def __init__(self, lane: Channel) -> None:
        self._lane = lane
        self._numbers = count()
        self._waiting: Bounded[int, AddressedStanza] = Bounded(MOST_WAITING_ANSWERS, MOST_ANSWER_BYTES)
        self._is_waiting = False  # for room

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def size(self) -> int:
        """The bytes that wait for room."""
        return self._waiting.size

    def send(self, answer: AddressedStanza) -> None:
        """Send an answer as soon as there is room."""
        self._waiting.put(next(self._numbers), answer, family(answer.from_.domain), len(answer.raw))
        if not self._is_waiting:
            self._send_on()

    def end(self) -> None:
        """Drop what waits: the node is gone, and the askers with it."""
        for number in [*self._waiting]:
            self._waiting.pop(number)

    def _send_on(self) -> None:
        self._is_waiting = False
        while self._waiting and self._lane.has_room:
            answer = self._waiting.pop(next(iter(self._waiting)))
            if answer is not None:
                self._lane.send([answer])
        if self._waiting and (room := self._lane.room()) is not None:
            self._is_waiting = True
            room.addCallback(lambda _: self._send_on())


class Nodes(Protocol):
    """The other nodes, as far as answers are concerned."""

    def names(self) -> Iterable[str]:
        """Return the names of the other live nodes."""

    def hand_over(self, node: str, answer: AddressedStanza) -> None:
        """Have a node take an answer."""

    def seek(self, key: RequestKey) -> Deferred[str]:
        """Return the node that has asked; empty if none has."""

    def may_have_asked(self, domain: Domain) -> bool:
        """Return whether one of our domains is served at other nodes as well as here."""


class ClusterQuestions(OwnQuestions):
    """Our own questions, and the way of answers to the node that asked."""

    def __init__(
        self,
        nodes: Nodes,
        is_asked_here: Callable[[AddressedStanza], bool],
        pass_on: Callable[[AddressedStanza], None],
    ) -> None:
        """`is_asked_here` returns whether a request is open here; `pass_on` delivers an answer here after all."""
        super().__init__()
        self._nodes = nodes
        self._is_asked_here = is_asked_here
        self._pass_on = pass_on
        self._crossed: Bounded[RequestKey, str] = Bounded(MOST_CROSSED)
        self._sought: Bounded[int, AddressedStanza] = Bounded(MOST_SOUGHT)
        self._sought_of: Counter[str] = Counter()  # by the domain that answered
        self._numbers = count()

    def __bool__(self) -> bool:
        return True

    def crossed(self, node: str, request: AddressedStanza) -> None:
        """Remember that a request has crossed from a node."""
        key = request_key(request.from_, request.to, request.id)
        self._crossed.put(key, node, family(request.from_.domain))

    def take(self, response: AddressedStanza) -> bool:
        """Return whether a response was for this gateway itself, or is for another node."""
        if super().take(response):
            return True
        resource = response.to.resource
        if resource.startswith(OWN) and (node := self._named(resource)) is not None:
            self._nodes.hand_over(node, response)
            return True
        if response.name != "iq" or not self._nodes.may_have_asked(response.to.domain):
            return False
        key = request_key(response.to, response.from_, response.id)
        if (origin := self._crossed.pop(key)) is not None and origin in self._nodes.names():
            self._nodes.hand_over(origin, response)
            return True
        cause = family(response.from_.domain)
        if self._sought_of[cause] >= MOST_SOUGHT_EACH:
            return False
        if len(response.id or "") > MOST_ID or self._is_asked_here(response):
            return False
        if len(self._sought) >= MOST_SOUGHT and not self._makes_room(cause):
            return False
        number = next(self._numbers)
        self._sought.put(number, response, cause)
        self._sought_of[cause] += 1
        self._nodes.seek(key).addBoth(self._found, number)
        return True

    def _makes_room(self, cause: str) -> bool:
        """Deliver the oldest answer of the domain with the most here, if that one still has more than `cause` then."""
        number = self._sought.first_to_go()
        oldest = self._sought.get(number) if number is not None else None
        if number is None or oldest is None:
            return False
        if self._sought_of[family(oldest.from_.domain)] <= self._sought_of[cause] + 1:
            return False
        self._found("", number)
        return True

    def _found(self, node: str | Failure, number: int) -> None:
        response = self._sought.pop(number)
        if response is None:
            return  # it has made room for another one
        cause = family(response.from_.domain)
        self._sought_of[cause] -= 1
        if not self._sought_of[cause]:
            del self._sought_of[cause]
        if isinstance(node, str) and node:
            self._nodes.hand_over(node, response)
        else:
            self._pass_on(response)

    def _named(self, resource: str) -> str | None:
        return next((node for node in self._nodes.names() if resource.startswith(f"{OWN}{node}.")), None)
