"""Certificates: those that we show, the authorities that we trust, and who judges what others show."""

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
    """What a configuration names, loaded from its files."""

    identities: dict[Domain, Identity]
    trust: TrustStore

    @classmethod
    def load(cls, settings: Settings) -> Material:
        """Raises ConfigError when a file cannot be used."""
        identities = {
            name: load_identity(domain.certificate, domain.key)
            for name, domain in settings.domains.items()
            if domain.certificate is not None
        }
        return cls(identities=identities, trust=TrustStore.load(settings.tls.authorities, settings.tls.crls))


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Which certificates we show, and who judges those that others show."""

    contexts: TLSContexts
    judge: CertificateJudge
    client_judge: CertificateJudge  # of the certificates of people
    identities: dict[Domain, Identity]

    def renew(self, material: Material, rules: TLSRules) -> None:
        """Show these certificates, and trust these authorities, from now on."""
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
