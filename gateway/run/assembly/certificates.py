"""Certificates: those that we show, the authorities that we trust, and who judges what others show."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.config.settings import Settings
from gateway.net.certificates.certificate_paths import Holder
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import Identity, Keyring, load_identity
from gateway.net.certificates.trust import TrustStore
from gateway.net.tls.contexts import TLSContexts
from gateway.notices.notices import Level, Remark
from gateway.run.assembly.parts import Parts
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


def load_certificates(parts: Parts) -> None:
    """Read all that the configuration names."""
    material = Material.load(parts.settings)
    parts.judge = CertificateJudge(
        material.trust, warn=lambda text: parts.board.publish(Remark(text=text, weight=Level.WARN))
    )
    parts.client_judge = CertificateJudge(material.trust, holder=Holder.CLIENT)
    parts.contexts = TLSContexts(Keyring(material.identities), parts.rules.tls)
    use(parts, material)


def use(parts: Parts, material: Material) -> None:
    """Show these certificates, and trust these authorities, from now on."""
    parts.identities = material.identities
    parts.trust = parts.judge.trust = parts.client_judge.trust = material.trust
    parts.contexts.renew(Keyring(material.identities), parts.rules.tls)
