"""Policy: which stanzas and headers a stream may carry. Facts in; new facts, or an error, out.

There are three kinds of domains here. Our *own* are those that we answer for, including relayed ones. *Relayed* domains
belong to a server behind us, which connects to the inside port. All others are *outside*.

A refusal is an exception; nothing here closes, sends or remembers anything. The table in `faults` decides whether a
refused stanza ends alone or takes the stream with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeGuard

from gateway.stream.evidence import check_certificate
from gateway.stream.facts import Facts, ServerFacts, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.records import replace
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import GatewayError, StanzaCondition, StreamCondition, StreamError
from gateway.xmpp.faults import Fault, StreamKind, refusal
from gateway.xmpp.stanzas import AddressedStanza, Stanza


@dataclass(frozen=True, kw_only=True)
class DomainRule:
    """The properties of one of our domains. `terms` are those for a relayed server, on the inside port."""

    with_subdomains: bool = False  # for a component, which also speaks for its subdomains
    terms: Terms | None = None


class Domains:
    """The domains that we answer for."""

    def __init__(self, rules: Mapping[Domain, DomainRule]) -> None:
        self._rules = dict(rules)

    def replace(self, rules: Mapping[Domain, DomainRule]) -> None:
        """Answer for these domains from now on."""
        self._rules = dict(rules)

    def owner(self, domain: Domain) -> Domain | None:
        """Return the domain of ours that this is, or is a subdomain of, where subdomains
        count; None if it is not ours.
        """
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
        """Return whether we answer for the domain."""
        return self.owner(domain) is not None

    def relayed_terms(self, domain: Domain) -> Terms | None:
        """Return the terms for a relayed server; None for any other domain."""
        rule = self._rules.get(domain)
        return rule.terms if rule is not None else None


TermsFor = Callable[[Domain], Terms | None]  # None: nothing is exchanged with that domain
ShutOut = Callable[[Domain], str]
"""Returns why nothing from a domain is accepted, for the log; empty if something may be."""


class OutsidePolicy:
    """The policy of the ports for other domains' servers, and of streams that we open to them (RFC 6120 §4)."""

    def __init__(self, domains: Domains, terms_for: TermsFor, shut_out: ShutOut = lambda _: "") -> None:
        self._domains = domains
        self._terms_for = terms_for
        self._shut_out = shut_out

    def accept(self, header: StreamHeader, facts: Facts) -> Facts:
        """Check the header of an incoming server: it names one of our domains (§4.9.3.6) and is not from one (§4.7)."""
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
                "this server does not exchange stanzas with that domain",
                reason=why_not,
            )
        return terms

    def terms_of_pair(self, pair: DomainPair) -> Terms | StanzaCondition:
        """Return the terms for a pair that a server asserts, or the condition that refuses it (XEP-0220 §2.5)."""
        if not self._domains.is_own(pair.target):
            return StanzaCondition.ITEM_NOT_FOUND
        if self._domains.is_own(pair.sender):
            raise StreamError(StreamCondition.INVALID_FROM, "that domain is not yours")
        if self._shut_out(pair.sender):
            return StanzaCondition.FORBIDDEN
        return self._terms_for(pair.sender) or StanzaCondition.FORBIDDEN

    def speaks_for(self, domain: Domain) -> bool:
        """Return whether we make the dialback keys of that domain towards the outside."""
        return self._domains.is_own(domain)


class RelayPolicy:
    """The policy of the inside port: towards relayed servers we act for all other domains."""

    def __init__(self, domains: Domains, terms_for: TermsFor) -> None:
        self._domains = domains
        self._terms_for = terms_for

    def accept(self, header: StreamHeader, facts: Facts) -> Facts:
        """Check the header of a server behind us; it names itself, and any domain with which we exchange stanzas."""
        sender, target = header.from_domain, header.to_domain
        if sender is None or target is None:
            raise StreamError(StreamCondition.IMPROPER_ADDRESSING, "the stream header needs 'from' and 'to'")
        terms = self._domains.relayed_terms(sender)
        if terms is None:
            raise StreamError(
                StreamCondition.INVALID_FROM,
                "this port is for relayed servers only",
                reason=f"{sender} connected to the inside port, but is not a relayed domain",
            )
        if not self._reachable(sender, target):
            raise StreamError(StreamCondition.HOST_UNKNOWN, "nothing is exchanged with that domain")
        return check_certificate(replace(facts, local=target, remote=sender, terms=terms))

    def _reachable(self, sender: Domain, target: Domain) -> bool:
        if target == sender:
            return False
        return self._domains.is_own(target) or self._terms_for(target) is not None

    def terms_of_pair(self, pair: DomainPair) -> Terms | StanzaCondition:
        """Return the terms for a pair that a relayed server asserts by dialback, or the condition that refuses it."""
        terms = self._domains.relayed_terms(pair.sender)
        if terms is None:
            raise StreamError(StreamCondition.INVALID_FROM, "this port is for relayed servers only")
        return terms if self._reachable(pair.sender, pair.target) else StanzaCondition.ITEM_NOT_FOUND

    def speaks_for(self, domain: Domain) -> bool:
        """Return whether we speak for the domain to a relayed server: for every domain but its own."""
        return self._domains.relayed_terms(domain) is None


def accept_answer(header: StreamHeader, facts: Facts) -> Facts:
    """The header with which a server answers the stream that we opened: we know whom we called."""
    return check_certificate(facts)


def are_between(
    stanzas: list[Stanza], way: tuple[Domain, Domain] | None, admitted: Collection[DomainPair]
) -> TypeGuard[list[AddressedStanza]]:
    """Return whether stanzas of this way (see `domains_of`) may pass: the stream has proved the pair."""
    return way is not None and way in admitted


def are_from(
    stanzas: list[Stanza], way: tuple[Domain, Domain] | None, domain: Domain
) -> TypeGuard[list[AddressedStanza]]:
    """Return whether stanzas of this way (see `domains_of`) are from this domain itself, to somebody."""
    return way is not None and way[0] == domain


def refuse_inbound(stanza: Stanza, facts: ServerFacts, domains: Domains) -> NoReturn:
    """Raise the error for a stanza from a server that is not of a proved pair (RFC 6120 §8.1.1.2, §8.1.2.2).

    `are_between` has already said that it may not pass; the table in `faults` says how it ends.
    """
    relayed = facts.remote is not None and domains.relayed_terms(facts.remote) is not None
    raise _fault_between_servers(stanza, facts, domains, StreamKind.RELAYED if relayed else StreamKind.SERVER)


def _fault_between_servers(stanza: Stanza, facts: ServerFacts, domains: Domains, kind: StreamKind) -> GatewayError:
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


def check_component(stanza: Stanza, domain: Domain, domains: Domains) -> AddressedStanza:
    """Check a stanza from a component: it must be from its own domain or below it, to somebody (XEP-0114 §3).

    A name below it that is another of our domains does not belong to it. Raises the outcome from `faults`.
    """
    kind, flaw, sender = StreamKind.COMPONENT, stanza.flaw, stanza.sender
    if _has_no_from(stanza):
        raise refusal(Fault.FROM_MISSING, kind, "a component's stanza needs a 'from'")
    if sender is None or domains.owner(sender.domain) != domain:
        raise refusal(Fault.FROM_NOT_PROVED, kind, f"'from' must be in the domain {domain}")
    if flaw is not None:
        raise refusal(flaw.fault, kind, flaw.problem)
    if not isinstance(stanza, AddressedStanza):
        raise refusal(Fault.TO_MISSING, kind, "a component's stanza needs a 'to'")
    return stanza


def check_client(stanza: Stanza, client: Address) -> None:
    """Check a stanza from the client bound to this address (RFC 6120 §8.1.2.1). Raises the outcome from `faults`."""
    kind, flaw, sender = StreamKind.CLIENT, stanza.flaw, stanza.sender
    if not _has_no_from(stanza) and sender not in (client, client.bare_address):
        raise refusal(Fault.FROM_NOT_PROVED, kind, "'from' is not the address that this stream is bound to")
    if flaw is not None:
        raise refusal(flaw.fault, kind, flaw.problem)


def _has_no_from(stanza: Stanza) -> bool:
    return stanza.from_ is None and (stanza.flaw is None or stanza.flaw.fault is not Fault.FROM_MALFORMED)
