"""Certificates: our own, the authorities that we trust, and the judges of certificates from others."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.settings import Settings
from gateway.net.certificates.certificate_paths import Holder
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity, Keyring, load_identity
from gateway.net.certificates.trust import TrustStore
from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.notices.notices import Level, Remark
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import Domain


@dataclass(frozen=True, kw_only=True)
class Material:
    """The files that a configuration names, loaded."""

    identities: dict[Domain, Identity]
    trust: TrustStore

    @classmethod
    def load(cls, settings: Settings) -> Material:
        """Load the files; raise ConfigError if one cannot be used."""
        identities = {
            name: load_identity(domain.certificate, domain.key)
            for name, domain in settings.domains.items()
            if domain.certificate is not None
        }
        return cls(identities=identities, trust=TrustStore.load(settings.tls.authorities, settings.tls.crls))


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Our own certificates, and the judges of those that others present."""

    contexts: TLSContexts
    judge: CertificateJudge
    client_judge: CertificateJudge  # of client certificates
    identities: dict[Domain, Identity]

    def renew(self, material: Material, rules: TLSRules) -> None:
        """Present these certificates, and trust these authorities, from now on."""
        self.identities.clear()
        self.identities.update(material.identities)
        self.judge.trust = self.client_judge.trust = material.trust
        self.contexts.renew(Keyring(material.identities), rules)


def load_certificates(shared: Shared) -> Trust:
    """Read all the files that the configuration names."""
    material = Material.load(shared.settings)
    return Trust(
        contexts=TLSContexts(Keyring(material.identities), shared.rules.tls),
        judge=CertificateJudge(
            material.trust, warn=lambda text: shared.board.publish(Remark(text=text, weight=Level.WARN))
        ),
        client_judge=CertificateJudge(material.trust, holder=Holder.CLIENT),
        identities=dict(material.identities),
    )
