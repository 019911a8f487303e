"""Policy: which stanzas and headers a stream may carry. Facts in; new facts, or an error, out.

Three kinds of domains matter here. Our *own* are those that we answer for, relayed ones among them. *Relayed* are
those of a server behind us, which talks to us at the inside door. All others are *outside*.

What is refused is refused by raising; nothing here closes, sends or remembers anything. Whether a stanza that is
refused ends alone or takes the stream with it is decided by the table in `faults`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.stream.evidence import check_certificate
from gateway.stream.facts import Facts, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.records import replace
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import GatewayError, StanzaCondition, StreamCondition, StreamError
from gateway.xmpp.faults import Fault, StreamKind, refusal
from gateway.xmpp.stanzas import Stanza


@dataclass(frozen=True, kw_only=True)
class DomainRule:
    """What policy has to know of one of our domains. `terms` are those for a relayed server, at the inside door."""

    with_subdomains: bool = False  # of a component: it speaks for them, too
    terms: Terms | None = None

    @property
    def is_relayed(self) -> bool:
        """Whether a server behind us owns the domain."""
        return self.terms is not None


class Domains:
    """The domains that we answer for."""

    def __init__(self, rules: Mapping[Domain, DomainRule]) -> None:
        self._rules = dict(rules)

    def replace(self, rules: Mapping[Domain, DomainRule]) -> None:
        """Answer for these domains from now on."""
        self._rules = dict(rules)

    def __iter__(self) -> Iterator[Domain]:
        return iter(self._rules)

    def owner(self, domain: Domain) -> Domain | None:
        """The domain of ours that this one is, or is a subdomain of, where subdomains count; None: it is not ours."""
        if domain in self._rules:
            return domain
        parent = domain.partition(".")[2]
        while parent:
            rule = self._rules.get(Domain(parent))
            if rule is not None:
                return Domain(parent) if rule.with_subdomains else None
            parent = parent.partition(".")[2]
        return None

    def is_own(self, domain: Domain) -> bool:
        """Whether we answer for the domain."""
        return self.owner(domain) is not None

    def relayed_terms(self, domain: Domain) -> Terms | None:
        """The terms for a relayed server; None for any other domain."""
        rule = self._rules.get(domain)
        return rule.terms if rule is not None else None


TermsFor = Callable[[Domain], Terms | None]  # None: nothing is exchanged with that domain
ShutOut = Callable[[Domain], str]
"""Why nothing that comes from a domain is wanted, for the log; empty when something may be."""


class OutsideRules:
    """The rules of the doors at which the servers of other domains arrive, and of the streams that we open to them."""

    def __init__(self, domains: Domains, terms_for: TermsFor, shut_out: ShutOut = lambda _: "") -> None:
        self._domains = domains
        self._terms_for = terms_for
        self._shut_out = shut_out

    def accept(self, header: StreamHeader, facts: Facts) -> Facts:
        """A header of a server that came to us; it has to name one of our domains, and none of ours as its own."""
        target = header.to_domain
        if target is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream header needs a 'to'")
        if not self._domains.is_own(target):
            raise StreamError(StreamCondition.HOST_UNKNOWN, "this server does not answer for that domain")
        sender = header.from_domain
        if sender is None:
            return replace(facts, local=target, remote=None)
        return check_certificate(replace(facts, local=target, remote=sender, terms=self._terms(sender)))

    def _terms(self, sender: Domain) -> Terms:
        if self._domains.is_own(sender):
            raise StreamError(
                StreamCondition.INVALID_FROM,
                "that domain is not yours",
                reason=f"somebody outside claims to be {sender}, which is ours",
            )
        terms = self._terms_for(sender)
        why_not = f"[peers] does not allow {sender}" if terms is None else self._shut_out(sender)
        if terms is None or why_not:
            raise StreamError(
                StreamCondition.POLICY_VIOLATION,
                "this server does not exchange anything with that domain",
                reason=why_not,
            )
        return terms

    def terms_of_pair(self, pair: DomainPair) -> Terms | StanzaCondition:
        """Dialback: the terms for a pair that a server asserts to us, or the condition that refuses it."""
        if not self._domains.is_own(pair.target):
            return StanzaCondition.ITEM_NOT_FOUND
        if self._domains.is_own(pair.sender):
            raise StreamError(StreamCondition.INVALID_FROM, "that domain is not yours")
        if self._shut_out(pair.sender):
            return StanzaCondition.FORBIDDEN
        return self._terms_for(pair.sender) or StanzaCondition.FORBIDDEN

    def speaks_for(self, domain: Domain) -> bool:
        """Dialback: whether we make the keys of that domain towards the outside."""
        return self._domains.is_own(domain)


class RelayRules:
    """The rules of the door for relayed servers: to them we are all the world."""

    def __init__(self, domains: Domains, terms_for: TermsFor) -> None:
        self._domains = domains
        self._terms_for = terms_for

    def accept(self, header: StreamHeader, facts: Facts) -> Facts:
        """A header of a server behind us; it names itself, and anybody with whom we exchange stanzas."""
        sender, target = header.from_domain, header.to_domain
        if sender is None or target is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream header needs 'from' and 'to'")
        terms = self._domains.relayed_terms(sender)
        if terms is None:
            raise StreamError(
                StreamCondition.INVALID_FROM,
                "this door is for relayed servers",
                reason=f"{sender} came to the inside door, and is no relayed domain",
            )
        if not self._reachable(sender, target):
            raise StreamError(StreamCondition.HOST_UNKNOWN, "nothing is exchanged with that domain")
        return check_certificate(replace(facts, local=target, remote=sender, terms=terms))

    def _reachable(self, sender: Domain, target: Domain) -> bool:
        if target == sender:
            return False
        return self._domains.is_own(target) or self._terms_for(target) is not None

    def terms_of_pair(self, pair: DomainPair) -> Terms | StanzaCondition:
        """Dialback: the terms for a pair that a relayed server asserts."""
        terms = self._domains.relayed_terms(pair.sender)
        if terms is None:
            raise StreamError(StreamCondition.INVALID_FROM, "this door is for relayed servers")
        return terms if self._reachable(pair.sender, pair.target) else StanzaCondition.ITEM_NOT_FOUND

    def speaks_for(self, domain: Domain) -> bool:
        """Dialback: towards a relayed server we speak for everybody but itself."""
        return self._domains.relayed_terms(domain) is None


def accept_answer(header: StreamHeader, facts: Facts) -> Facts:
    """The header with which a server answers the stream that we opened: we know whom we called."""
    return check_certificate(facts)


def check_inbound(stanza: Stanza, facts: Facts, domains: Domains) -> None:
    """A stanza from another server: with both addresses, of a pair that is proved (RFC 6120 §8.1.1.2, §8.1.2.2).

    Called only when the pair is not among the proofs, or there is no pair. Raises what `faults` has for it.
    """
    relayed = facts.remote is not None and domains.relayed_terms(facts.remote) is not None
    raise _fault_between_servers(stanza, facts, domains, StreamKind.RELAYED if relayed else StreamKind.SERVER)


def _fault_between_servers(stanza: Stanza, facts: Facts, domains: Domains, kind: StreamKind) -> GatewayError:
    flaw, sender = stanza.flaw, stanza.sender
    if _has_no_from(stanza):
        return refusal(Fault.FROM_MISSING, kind, "a stanza between servers needs 'from'")
    if sender is None or not any(pair.sender == sender.domain for pair in facts.admitted):
        return refusal(
            Fault.FROM_NOT_PROVED,
            kind,
            "'from' is not a domain that this stream has proved",
            reason=f"a stanza from {sender.domain}, which was not proved" if sender else flaw.problem if flaw else "",
        )
    target = stanza.recipient
    if flaw is not None and (target is None or (sender.domain, target.domain) in facts.admitted):
        return refusal(flaw.fault, kind, flaw.problem)
    if target is None:
        return refusal(Fault.TO_MISSING, kind, "a stanza between servers needs 'to'")
    if not any(pair.target == target.domain for pair in facts.admitted) and not domains.is_own(target.domain):
        return refusal(Fault.TO_UNKNOWN, kind, "this server does not answer for that domain")
    return refusal(
        Fault.TO_NOT_PROVED,
        kind,
        "'from' is not a domain that this stream has proved towards that domain",
        reason=f"a stanza from {sender.domain} to {target.domain}, which was not proved",
    )


def check_component(stanza: Stanza, domain: Domain, domains: Domains) -> None:
    """A stanza from a component: from its own domain or below it, to somebody (XEP-0114 §3).

    A name below it that is another domain of ours is not its own. Raises what `faults` has for it.
    """
    kind, flaw, sender = StreamKind.COMPONENT, stanza.flaw, stanza.sender
    if _has_no_from(stanza):
        raise refusal(Fault.FROM_MISSING, kind, "a component's stanza needs a 'from'")
    if sender is None or domains.owner(sender.domain) != domain:
        raise refusal(Fault.FROM_NOT_PROVED, kind, f"'from' must be in the domain {domain}")
    if flaw is not None:
        raise refusal(flaw.fault, kind, flaw.problem)
    if stanza.to is None:
        raise refusal(Fault.TO_MISSING, kind, "a component's stanza needs a 'to'")


def check_client(stanza: Stanza, client: Address) -> None:
    """A stanza from the client that is bound to this address (RFC 6120 §8.1.2.1). Raises what `faults` has for it."""
    kind, flaw, sender = StreamKind.CLIENT, stanza.flaw, stanza.sender
    if not _has_no_from(stanza) and sender not in (client, client.bare_address):
        raise refusal(Fault.FROM_NOT_PROVED, kind, "'from' is not the address that this stream is bound to")
    if flaw is not None:
        raise refusal(flaw.fault, kind, flaw.problem)


def _has_no_from(stanza: Stanza) -> bool:
    return stanza.from_ is None and (stanza.flaw is None or stanza.flaw.fault is not Fault.FROM_MALFORMED)
