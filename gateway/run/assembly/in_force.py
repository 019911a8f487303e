"""InForce: the settings in force, and what each part of the gateway is given of them. A reload replaces the settings.

settings   what the configuration says (`config.settings`), such as `PeerSettings` for other domains
terms      what one part is given of them for one domain: `Terms` for its streams, `DialTerms` for opening one,
           `RouteTerms` for what waits for one, `KeepTerms` for what is kept on the disk
policy     what decides by these whether a domain or a pair is admitted (`routing.policy`)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from gateway.config.settings import ComponentDomain, HandlerDomain, PeerSettings, RelayDomain, Settings
from gateway.federation.route import RouteTerms
from gateway.net.dial.connector import DialTerms
from gateway.net.tls.contexts import TLSRules
from gateway.outbox.backlog_owner import KeepTerms
from gateway.routing.delegations import Delegated
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.privileges import Privileges
from gateway.stream.facts import Means, Terms
from gateway.xmpp.addresses import Domain

COMPONENT_SILENCE_SECONDS = 15.0
"""A component that answers no pings is assumed to have read a stanza this many seconds after it was written."""
_MOST_DOMAINS = 4096  # domains whose terms are cached


class InForce:
    """The settings in force, as terms for each domain; others ask here, and keep nothing that a reload may change."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.domains = Domains(domain_rules(settings))
        self._terms: dict[PeerSettings, Terms] = {}  # one for each table in the settings
        self._privileged = _privileged(settings)
        self._delegated = _delegated(settings)
        self._found = lru_cache(_MOST_DOMAINS)(self._find_terms)  # asked several times while a stream is opened

    def replace(self, settings: Settings) -> None:
        """Use these settings from now on."""
        self.settings = settings
        self.domains.replace(domain_rules(settings))
        self._terms.clear()
        self._privileged = _privileged(settings)
        self._delegated = _delegated(settings)
        self._found.cache_clear()

    def peer(self, domain: Domain) -> PeerSettings:
        """Return the settings for a peer; relayed domains have their own."""
        ours = self.settings.domains.get(domain)
        return ours.peer if isinstance(ours, RelayDomain) else self.settings.peers.for_domain(domain)

    def origins(self, domain: Domain) -> dict[str, str]:
        """Return for each key of a peer's settings which entry of the configuration sets it."""
        origins = self.settings.peers.origins(domain)
        ours = self.settings.domains.get(domain)
        own = dict.fromkeys(ours.given, f'domains."{domain}"') if isinstance(ours, RelayDomain) else {}
        return origins | own

    def route_terms(self, domain: Domain) -> RouteTerms:
        """Return how much may wait for a domain, and for how long."""
        peer = self.peer(domain)
        return RouteTerms(
            allow=peer.allow,
            queue_stanzas=peer.queue_stanzas,
            connect_seconds=peer.connect_seconds,
            keep=KeepTerms(
                level=peer.keep,
                hours=peer.keep_hours,
                silence_seconds=self.settings.limits.silence_seconds,
                patience=peer.connect_seconds,
                most_followers=peer.queue_stanzas,
            ),
        )

    def component_keep_terms(self, domain: Domain) -> KeepTerms:
        """Return what is kept for the component of a domain, or for a service at one node, while it is away."""
        ours = self.settings.domains.get(domain)
        if isinstance(ours, HandlerDomain) and ours.run == "once":
            return KeepTerms(level="waiting", silence_seconds=COMPONENT_SILENCE_SECONDS)
        if not isinstance(ours, ComponentDomain):
            return KeepTerms()
        return KeepTerms(level=ours.keep, hours=ours.keep_hours, silence_seconds=COMPONENT_SILENCE_SECONDS)

    def privileges_of(self, component: Domain) -> Mapping[Domain, Privileges]:
        """Return what a component may do for accounts, by their domain."""
        ours = self.settings.domains.get(component)
        return ours.privileges if isinstance(ours, ComponentDomain) else {}

    def privileged(self, domain: Domain) -> Sequence[tuple[Domain, Privileges]]:
        """Return the components that may do something for the accounts of a domain."""
        return self._privileged.get(domain, ())

    def delegations_of(self, component: Domain) -> Mapping[Domain, Delegated]:
        """Return what is delegated to a component, by the domain that delegates it."""
        ours = self.settings.domains.get(component)
        return ours.delegations if isinstance(ours, ComponentDomain) else {}

    def delegated(self, domain: Domain) -> Sequence[tuple[Domain, Delegated]]:
        """Return the components to which a domain delegates something."""
        return self._delegated.get(domain, ())

    def dial_terms(self, domain: Domain) -> DialTerms:
        """Return how a domain is reached."""
        peer = self.peer(domain)
        return DialTerms(
            terms=self._terms_of(peer),
            connect=peer.connect,
            direct_tls=peer.direct_tls,
            seconds=peer.connect_seconds,
        )

    def terms_outside(self, domain: Domain) -> Terms | None:
        """Return the terms for an outside domain; None if nothing is exchanged with it."""
        return self._found(domain)

    def _find_terms(self, domain: Domain) -> Terms | None:
        peer = self.settings.peers.for_domain(domain)
        return self._terms_of(peer) if peer.allow else None

    def terms_with(self, domain: Domain) -> Terms | None:
        """Return the terms for any other server: relayed or outside."""
        return self.domains.relayed_terms(domain) or self.terms_outside(domain)

    def _terms_of(self, peer: PeerSettings) -> Terms:
        terms = self._terms.get(peer)
        if terms is None:
            terms = self._terms[peer] = terms_of(peer)
        return terms

    def speaks_for(self, remote: Domain | None, domain: Domain) -> bool:
        """Return whether we speak for that domain to another server: to a relayed one, for
        everybody that it may reach.
        """
        if self.domains.is_own(domain):
            return True
        is_relayed = remote is not None and self.domains.relayed_terms(remote) is not None
        return is_relayed and self.terms_outside(domain) is not None

    def secret_of(self, domain: Domain) -> str | None:
        """Return the secret of a domain's component; None if no component serves it."""
        ours = self.settings.domains.get(domain)
        return ours.secret.text if isinstance(ours, ComponentDomain) else None

    @property
    def tls(self) -> TLSRules:
        """The TLS versions and ciphers in use."""
        return TLSRules(minimum=self.settings.tls.minimum, ciphers=self.settings.tls.ciphers)


def _privileged(settings: Settings) -> dict[Domain, list[tuple[Domain, Privileges]]]:
    """Return the components with privileges, by the domain of the accounts."""
    found: dict[Domain, list[tuple[Domain, Privileges]]] = {}
    for component in settings.domains_of(ComponentDomain):
        for managed, granted in component.privileges.items():
            found.setdefault(managed, []).append((component.domain, granted))
    return found


def _delegated(settings: Settings) -> dict[Domain, list[tuple[Domain, Delegated]]]:
    """Return the components to which something is delegated, by the domain that delegates it."""
    found: dict[Domain, list[tuple[Domain, Delegated]]] = {}
    for component in settings.domains_of(ComponentDomain):
        for managed, delegated in component.delegations.items():
            found.setdefault(managed, []).append((component.domain, delegated))
    return found


def domain_rules(settings: Settings) -> dict[Domain, DomainRule]:
    """Return what the policy has to know about our domains."""
    return {
        name: DomainRule(
            with_subdomains=isinstance(domain, ComponentDomain),
            terms=terms_of(domain.peer) if isinstance(domain, RelayDomain) else None,
        )
        for name, domain in settings.domains.items()
    }


def terms_of(peer: PeerSettings) -> Terms:
    """Return the terms for streams from a peer's settings."""
    return Terms(
        require_tls=peer.require_tls or peer.require is not None or bool(peer.pin),
        needs_revocation_lists=peer.revocation == "hard",
        pins=frozenset(peer.pin),
        means=tuple(Means(means) for means in peer.authenticate),
        required=Means(peer.require) if peer.require is not None else None,
        shared_secret=peer.digest_md5_secret.text if peer.digest_md5_secret is not None else None,
        stanza_bytes=peer.stanza_bytes,
        assumed_stanza_bytes=peer.assumed_stanza_bytes,
        stanzas_per_second=peer.stanzas_per_second,
        idle_seconds=peer.idle_seconds,
        bidirectional=peer.bidi,
        managed=peer.stream_management,
    )
