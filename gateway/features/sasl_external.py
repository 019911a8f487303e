"""SASL EXTERNAL between servers: the certificate that TLS has shown proves the domain (RFC 6120 §6, XEP-0178 §3).

Offered only where the full chain verified and names exactly the domain in the stream's 'from', so that what is
offered succeeds. A refusal by the other side leaves dialback, on the same stream.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace

from gateway.addresses import prepare_domain
from gateway.elements import Element
from gateway.errors import MalformedAddress, SaslCondition, StreamCondition, StreamError
from gateway.namespaces import SASL
from gateway.stream.events import Event, PairVerified, ProofFailed
from gateway.stream.facts import Facts, Means, Role
from gateway.stream.negotiation import Step, StreamFeature, Then

_ATTEMPTS = 3


class SaslExternal(StreamFeature):
    """Proves domains to each other by certificates."""

    name = "sasl-external"
    handles = frozenset({(SASL, name) for name in ("auth", "success", "failure", "response", "challenge", "abort")})

    def offer(self, facts: Facts) -> Element | None:
        """EXTERNAL, where it will succeed and nothing has been proved yet."""
        if not self._acceptable(facts):
            return None
        return Element(SASL, "mechanisms", {}, [Element(SASL, "mechanism", {}, ["EXTERNAL"])])

    @staticmethod
    def _acceptable(facts: Facts) -> bool:
        return (
            facts.encrypted
            and facts.remote is not None
            and not facts.proofs
            and facts.terms.allow(Means.EXTERNAL)
            and facts.certificate_proves(facts.remote)
        )

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Take the offer, if our terms for the other domain list it."""
        mechanisms = offered.first(SASL, "mechanisms")
        if facts.proves(facts.pair) or mechanisms is None or not facts.terms.allow(Means.EXTERNAL):
            return None
        if not any(mechanism.text.strip() == "EXTERNAL" for mechanism in mechanisms.elements(SASL, "mechanism")):
            return None
        assert facts.local is not None
        # The authorization identity is our domain: some peers refuse an empty one, some ignore it (XEP-0178 §3, 9).
        identity = base64.b64encode(facts.local.encode()).decode()
        return Step(facts=facts, outputs=[Element(SASL, "auth", {"mechanism": "EXTERNAL"}, [identity])])

    def receive(self, facts: Facts, element: Element) -> Step:
        """`<auth/>` as receiving server; `<success/>` or `<failure/>` as initiating server."""
        if facts.role is Role.RECEIVING:
            return self._authenticate(facts, element)
        if self.name not in facts.tried or facts.proves(facts.pair):
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")
        if element.name == "success":
            proved = facts.with_proof(facts.pair, Means.EXTERNAL)
            return Step(facts=proved, outputs=[PairVerified(pair=facts.pair, means=Means.EXTERNAL)], then=Then.RESTART)
        named = next((child.name for child in element.elements(SASL) if child.name != "text"), "not-authorized")
        text = element.first(SASL, "text")
        failed = ProofFailed(means=Means.EXTERNAL, condition=named, text=text.text if text else "")
        return Step(facts=facts, outputs=[failed], then=Then.CONTINUE)

    def _authenticate(self, facts: Facts, element: Element) -> Step:
        if element.name != "auth":
            return self._refused(
                facts, SaslCondition.ABORTED if element.name == "abort" else SaslCondition.MALFORMED_REQUEST
            )
        if facts.proofs:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "this stream is authenticated already")
        if element.get("mechanism") != "EXTERNAL":
            return self._refused(facts, SaslCondition.INVALID_MECHANISM)
        if not facts.encrypted:
            return self._refused(facts, SaslCondition.ENCRYPTION_REQUIRED)
        if not self._acceptable(facts):
            return self._refused(facts, SaslCondition.NOT_AUTHORIZED, _why_not_acceptable(facts))
        problem = _identity_problem(facts, element.text.strip())
        if problem is not None:
            return self._refused(facts, problem)
        proved = facts.with_proof(facts.pair, Means.EXTERNAL)
        return Step(
            facts=proved,
            outputs=[Element(SASL, "success"), PairVerified(pair=facts.pair, means=Means.EXTERNAL)],
            then=Then.RESTART,
        )

    def _refused(self, facts: Facts, condition: SaslCondition, text: str = "") -> Step:
        """A failure; after a few the stream ends (RFC 6120 §6.4.5)."""
        failures = (facts.conversation or 0) + 1
        if failures >= _ATTEMPTS:
            raise StreamError(StreamCondition.POLICY_VIOLATION, "too many failed attempts to authenticate")
        children = [Element(SASL, str(condition))]
        if text:
            children.append(Element(SASL, "text", {}, [text]))
        outputs: list[Element | Event] = [
            Element(SASL, "failure", {}, children),
            ProofFailed(means=Means.EXTERNAL, condition=str(condition), text=text),
        ]
        return Step(facts=replace(facts, conversation=failures), outputs=outputs)


def _why_not_acceptable(facts: Facts) -> str:
    if facts.remote is None:
        return "the stream header has no 'from'"
    return facts.why_not_by_certificate(facts.remote) or "certificates are not accepted as proof here"


def _identity_problem(facts: Facts, encoded: str) -> SaslCondition | None:
    """What is wrong with the authorization identity: absent or the domain of the stream is right (XEP-0178 §3, 10)."""
    if encoded in ("", "="):  # COMPAT servers that send an empty element instead of '='
        return None
    try:
        identity = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return SaslCondition.INCORRECT_ENCODING
    try:
        return None if prepare_domain(identity) == facts.remote else SaslCondition.INVALID_AUTHZID
    except MalformedAddress:
        return SaslCondition.INVALID_AUTHZID
