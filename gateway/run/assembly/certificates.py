"""Certificates: our own, the authorities that we trust, and the judges of certificates from others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from gateway.config.domains import certificates_of
from gateway.config.settings import Settings
from gateway.net.certificates.certificate_paths import Holder
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity, Keyring, load_identities
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.notices.notices import Level, Remark
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import Domain


@dataclass(frozen=True, kw_only=True)
class Material:
    """The files that a configuration names, loaded."""

    identities: dict[Domain, Identity]
    trust: TrustStore

    faults: dict[Domain, str]  # why a domain does not have the certificate that the configuration names

    @classmethod
    def load(cls, settings: Settings, before: Mapping[Domain, Identity] = MappingProxyType({})) -> Material:
        """Load the files; raise ConfigError if there are no authorities, or if no certificate can be used.

        A domain whose certificate cannot be used keeps the one from `before`, if it has one.
        """
        loaded = load_identities(certificates_of(settings.domains))
        if loaded.faults and not loaded.identities:
            raise next(iter(loaded.faults.values()))
        found = {**{name: before[name] for name in loaded.faults if name in before}, **loaded.identities}
        return cls(
            identities={name: found[name] for name in settings.domains if name in found},  # the first is the default
            trust=TrustStore.load(settings.tls.authorities, settings.tls.crls),
            faults={name: error.problem for name, error in loaded.faults.items()},
        )


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Our own certificates, and the judges of those that others present."""

    contexts: TLSContexts
    judge: CertificateJudge
    client_judge: CertificateJudge  # of client certificates
    identities: dict[Domain, Identity]
    faults: dict[Domain, str]

    def renew(self, material: Material, rules: TLSRules) -> None:
        """Present these certificates, and trust these authorities, from now on."""
        self.identities.clear()
        self.identities.update(material.identities)
        self.faults.clear()
        self.faults.update(material.faults)
        self.judge.trust = self.client_judge.trust = material.trust
        self.contexts.renew(Keyring(material.identities), rules)


def load_certificates(shared: Shared) -> Trust:
    """Read all the files that the configuration names."""
    material = Material.load(shared.settings)
    return Trust(
        contexts=TLSContexts(Keyring(material.identities), shared.in_force.tls),
        judge=CertificateJudge(
            material.trust, warn=lambda text: shared.board.publish(Remark(text=text, weight=Level.WARN))
        ),
        client_judge=CertificateJudge(material.trust, holder=Holder.CLIENT),
        identities=dict(material.identities),
        faults=dict(material.faults),
    )
