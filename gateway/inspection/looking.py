"""The stream feature that only looks: it notes what is offered and asks two questions, and never proves a domain.

Both questions concern a domain that cannot exist. A server must disown a dialback key that it did not make, and must
not believe that we are `interop.invalid` (XEP-0220 §2.2, §3).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dialback.exchange import RESULT, VERIFY, result_request, verify_request
from gateway.findings.facts import PeerAnswer
from gateway.stream.events import Event
from gateway.stream.facts import ServerFacts
from gateway.stream.negotiation import Step, StreamFeature
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import DIALBACK

STRANGER = Domain("interop.invalid")
"""The domain that we claim to be: RFC 6761 §6.4 keeps it from ever existing."""
_STREAM_ID = "nobody-asked"
_KEY = "0" * 64
_CLAIM = "claim"


@dataclass(frozen=True, kw_only=True)
class FeaturesSeen(Event):
    """The features that no negotiation step of ours takes up: the last ones that a server offers us."""

    offered: Element


@dataclass(frozen=True, kw_only=True)
class QuestionAnswered(Event):
    """The server has answered one of the questions: "verify" or "result"."""

    question: str
    answer: PeerAnswer


def many_questions(domain: Domain, count: int) -> bytes:
    """Return questions about dialback keys that nobody has made, each for another domain that cannot exist."""
    return b"".join(
        f"<verify xmlns='{DIALBACK}' from='p{number}.{STRANGER}' to='{domain}' id='{number}'>{_KEY}</verify>".encode()
        for number in range(count)
    )


class Looking(StreamFeature[ServerFacts]):
    """Looks at the features; holds the stream in negotiation, so that no stanza passes."""

    name = "looking"
    handles = frozenset({RESULT, VERIFY})

    def __init__(self, domain: Domain, *, asks: bool) -> None:
        self._pair = DomainPair(STRANGER, domain)
        self._asks = asks

    def begin(self, facts: ServerFacts, offered: Element) -> Step | None:
        """Note what is offered; under TLS, ask about a key that nobody has made."""
        seen = FeaturesSeen(offered=offered)
        if not (facts.encrypted and self._asks):
            return Step(facts=facts, outputs=[seen])
        return Step(facts=facts, outputs=[seen, verify_request(self._pair.reversed(), _STREAM_ID, _KEY)])

    def receive(self, facts: ServerFacts, element: Element) -> Step:
        """Note an answer; after the first, claim to be the domain that does not exist."""
        answer = {"valid": PeerAnswer.VALID, "invalid": PeerAnswer.INVALID}.get(
            element.get("type") or "", PeerAnswer.ERROR
        )
        noted = QuestionAnswered(question=element.name, answer=answer)
        if not self._asks or element.name != VERIFY[1] or _CLAIM in facts.tried:
            return Step(facts=facts, outputs=[noted])
        claiming = replace(facts, tried=facts.tried | {_CLAIM})
        return Step(facts=claiming, outputs=[noted, result_request(self._pair, _KEY)])

    def is_complete(self, facts: ServerFacts) -> bool:
        """Return False: the stream ends before stanzas may pass."""
        return False
