"""Evidence as a stream feature: requested before all others, and never negotiated (see `stream.evidence`)."""

from __future__ import annotations

from gateway.stream.events import EvidenceFound, FindEvidence
from gateway.stream.evidence import SOUGHT, check_certificate, sought_means
from gateway.stream.facts import ServerFacts
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace


class Evidence(StreamFeature[ServerFacts]):
    """Has what proves the other side's certificate looked up where no authority does."""

    name = SOUGHT
    answers = (EvidenceFound,)

    def opened(self, facts: ServerFacts) -> Step | None:
        """Ask, where the answer could make a difference."""
        means = sought_means(facts)
        if not means:
            return None
        return Step(facts=facts, outputs=[FindEvidence(domain=facts.their_domain, means=means)], then=Then.SUSPEND)

    def answered(self, facts: ServerFacts, answer: EvidenceFound) -> Step:
        """Go on with what was found; a server that has to be proved by its certificate and is not is left here."""
        found = replace(facts, certificate=answer.certificate).having_tried(SOUGHT)
        return Step(facts=check_certificate(found), then=Then.BEGIN)
