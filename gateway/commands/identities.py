"""The certificate of one of our domains, for commands that print what to publish about it."""

from __future__ import annotations

import argparse
import sys
from typing import NamedTuple

from cryptography import x509

from gateway.config.advice import identities_of
from gateway.config.settings import Settings
from gateway.net.certificates.own_certificates import Keyring
from gateway.xmpp.addresses import Domain, prepare_domain, to_ascii
from gateway.xmpp.errors import MalformedAddress


class OurCertificate(NamedTuple):
    """One of our domains, and the certificate that we show for it."""

    domain: Domain
    certificate: x509.Certificate


def domain_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names the domain."""
    parser.add_argument("domain", metavar="DOMAIN", help="the domain, as in addresses: example.net")


def identity_of(settings: Settings, text: str) -> OurCertificate | None:
    """Return the certificate of a domain; None, and a message on standard error, when there is none."""
    try:
        domain = prepare_domain(text)
    except MalformedAddress as error:
        print(f"xmpp-gateway: {error.problem}", file=sys.stderr)
        return None
    if domain not in settings.domains:
        print(f"xmpp-gateway: {domain} is not one of our domains: {', '.join(settings.domains)}", file=sys.stderr)
        return None
    keyring = Keyring(identities_of(settings))
    identity = keyring.find(to_ascii(domain)) or keyring.default
    if identity is None:
        print(f"xmpp-gateway: {domain} has no certificate: see [domains] in {settings.file}", file=sys.stderr)
        return None
    return OurCertificate(domain, identity.chain[0])
