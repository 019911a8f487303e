"""Real TLS handshakes in memory: two OpenSSL connections, each fed with what the other wrote."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from OpenSSL import SSL

from gateway.net.certificates.certificate_names import CertificateNames
from gateway.net.certificates.own_certificates import Identity, Keyring
from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.xmpp.addresses import Domain
from tests.support.throwaway_ca import Issued

ROUNDS = 10


@dataclass(frozen=True)
class Secured:
    """A transport as far as TLS is concerned."""

    connection: SSL.Connection

    def getHandle(self) -> SSL.Connection:
        return self.connection


def identity(issued: Issued) -> Identity:
    """Return what `load_identity` makes of an issued certificate that was saved."""
    return Identity(
        chain=issued.chain,
        private_key=issued.key,
        names=CertificateNames.of(issued.certificate),
        certificate_file=Path("test.pem"),
        key_file=Path("test.pem"),
    )


def contexts(*certificates: Issued, rules: TLSRules = TLSRules()) -> TLSContexts:
    """Contexts that show these certificates, the first one by default."""
    identities = {Domain(f"{number}.invalid"): identity(issued) for number, issued in enumerate(certificates)}
    return TLSContexts(Keyring(identities), rules)


def connect(one: SSL.Connection, other: SSL.Connection) -> tuple[Secured, Secured]:
    """Let the two shake hands; what either side raises comes out, after the other has read its alert."""
    problems: list[SSL.Error] = []
    for _ in range(ROUNDS):
        for each in (one, other):
            try:
                each.do_handshake()
            except SSL.WantReadError:
                pass
            except SSL.Error as error:
                problems.append(error)
        exchange(one, other)
        if problems:
            raise problems[0]
    return Secured(one), Secured(other)


def exchange(*pair: SSL.Connection) -> None:
    """Carry the bytes that each has written over to the other."""
    for source, sink in (pair, pair[::-1]):
        try:
            sink.bio_write(source.bio_read(1 << 20))
        except SSL.WantReadError:
            continue
