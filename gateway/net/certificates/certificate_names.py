"""The names in a certificate, and the domains that they prove (RFC 6120 §13.7.1.2, RFC 9525 §6).

Only the subjectAltName counts, never the subject: authorities need not check the text of a common name. Three of its
kinds of names can prove an XMPP domain:

    dNSName   the domain, or a wildcard as its complete left-most label
    SRVName   `_xmpp-server.` or `_xmpp-client.` before the domain, never a wildcard   RFC 4985
    XmppAddr  the domain itself as an XMPP address, never a wildcard                   RFC 6120 §13.7.1.4

IP addresses, URIs and mail addresses prove nothing here. service_identity does the comparison, except in one case: it
does not let a wildcard match an A-label, as RFC 6125 advised. RFC 9525 §6.3 no longer makes that distinction.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice

from cryptography import x509
from pyasn1.codec.der import decoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import char
from service_identity import CertificateError
from service_identity.hazmat import DNS_ID, SRV_ID, DNSPattern, SRVPattern

from gateway.xmpp.addresses import Address, Domain, prepare_domain, to_ascii
from gateway.xmpp.errors import MalformedAddress

SERVER = "xmpp-server"
"""The service name of servers, in SRV records, in SRVNames and in ALPN."""
CLIENT = "xmpp-client"
"""The service name that clients look for in a server's certificate."""

SRV_NAME = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.7")
"""id-on-dnsSRV (RFC 4985 §2)."""
XMPP_ADDR = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.5")
"""id-on-xmppAddr (RFC 6120 §13.7.1.4)."""

MOST_NAMES = 1000  # of one certificate; further names prove nothing
LONGEST_NAME = 1023  # characters
_SHOWN = 5
_MOST_ANSWERS = 16  # cached answers for one certificate
_MOST_REFERENCES = 512  # cached domains; each is asked about several times while its stream is opened
_HOST = re.compile(r"(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*").fullmatch
_SERVICE = re.compile(r"_[A-Za-z0-9-]+(?:\.[A-Za-z0-9_-]+)+").fullmatch


@dataclass(frozen=True, kw_only=True)
class CertificateNames:
    """The names of one certificate that XMPP can use, as written in it."""

    dns: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    xmpp_addresses: tuple[str, ...] = ()

    @classmethod
    def of(cls, certificate: x509.Certificate, most: int = MOST_NAMES) -> CertificateNames:
        """Read the first names of the subjectAltName; raise ValueError if it cannot be read."""
        try:
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return cls()
        names = list(islice(found, most))
        return cls(
            dns=tuple(
                name.value for name in names if isinstance(name, x509.DNSName) and len(name.value) <= LONGEST_NAME
            ),
            services=tuple(_other_names(names, SRV_NAME, char.IA5String())),
            xmpp_addresses=tuple(_other_names(names, XMPP_ADDR, char.UTF8String())),
        )

    def prove(self, domain: Domain, service: str = SERVER) -> bool:
        """Return whether a name proves exactly that domain, and that service if the name is limited to one."""
        answers = self._answers
        answer = answers.get((domain, service))
        if answer is None:
            if len(answers) >= _MOST_ANSWERS:
                answers.clear()
            answer = answers[domain, service] = self._proves(domain, service)
        return answer

    def _proves(self, domain: Domain, service: str) -> bool:
        references = _references(domain, service)
        if not references:
            return False
        wildcard = _wildcard_for_a_label(domain)
        return domain in self._xmpp_domains or any(
            (isinstance(pattern, DNSPattern) and pattern.pattern == wildcard)
            or any(reference.verify(pattern) for reference in references)
            for pattern in self._patterns
        )

    def accounts(self, domain: Domain) -> frozenset[str]:
        """Return the bare JIDs of that domain among the XmppAddrs, prepared."""
        return frozenset(address.bare for address in self._accounts if address.domain == domain)

    @classmethod
    def for_display(cls, certificate: x509.Certificate) -> CertificateNames:
        """Read a few of the names of a certificate that proves none of them; raise ValueError as `of` does.

        Reading a name takes about a hundred microseconds, and anybody can present a certificate with a thousand names.
        """
        return cls.of(certificate, _SHOWN)

    def of_hosts_only(self) -> CertificateNames:
        """Return the names without SRVNames and XmppAddrs."""
        return replace(self, services=(), xmpp_addresses=())

    def __str__(self) -> str:
        named = [*self.dns, *self.services, *(f"xmpp:{address}" for address in self.xmpp_addresses)]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        return ", ".join(map(shown, named[:_SHOWN])) + more if named else "no name that XMPP knows"

    @cached_property
    def _answers(self) -> dict[tuple[Domain, str], bool]:
        """A cache of answers: the same question comes several times while a stream is opened."""
        return {}

    @cached_property
    def _patterns(self) -> tuple[DNSPattern | SRVPattern, ...]:
        hosts = (_pattern(DNSPattern, name) for name in self.dns if _HOST(name))
        services = (_pattern(SRVPattern, name) for name in self.services if _SERVICE(name))
        return tuple(pattern for pattern in (*hosts, *services) if pattern)

    @cached_property
    def _accounts(self) -> frozenset[Address]:
        return frozenset(filter(None, map(_account, self.xmpp_addresses)))

    @cached_property
    def _xmpp_domains(self) -> frozenset[Domain]:
        return frozenset(filter(None, map(_domain_alone, self.xmpp_addresses)))


def shown(text: str, most: int = 80) -> str:
    """Return another party's text for a log line: at most this many characters, without terminal controls."""
    cut = text if len(text) <= most else text[:most] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut)


@lru_cache(_MOST_REFERENCES)
def _references(domain: Domain, service: str) -> tuple[DNS_ID, SRV_ID] | tuple[()]:
    """Return what to compare a certificate's names with; nothing for an IP address or an impossible name."""
    ascii_domain = to_ascii(domain)
    try:
        return DNS_ID(ascii_domain), SRV_ID(f"_{service}.{ascii_domain}")
    except ValueError:
        return ()


def _wildcard_for_a_label(domain: Domain) -> bytes:
    """Return the wildcard that covers the domain if its left-most label is an A-label; else bytes that match no
    pattern.
    """
    first, _, rest = to_ascii(domain).partition(".")
    return f"*.{rest}".encode() if first.startswith("xn--") else b""


def _other_names(
    names: list[x509.GeneralName], kind: x509.ObjectIdentifier, syntax: char.AbstractCharacterString
) -> Iterator[str]:
    """Yield the texts of those otherNames of a kind that have the right syntax."""
    for name in names:
        if isinstance(name, x509.OtherName) and name.type_id == kind:
            try:
                text, _ = decoder.decode(name.value, asn1Spec=syntax)
                if len(text) <= LONGEST_NAME:
                    yield str(text)
            except (PyAsn1Error, UnicodeError):
                continue


def _pattern(kind: type[DNSPattern] | type[SRVPattern], name: str) -> DNSPattern | SRVPattern | None:
    try:
        return kind.from_bytes(name.encode("ascii"))
    except CertificateError:
        return None


def _domain_alone(address: str) -> Domain | None:
    """Return the domain in an XmppAddr, if it has no localpart and no resource."""
    try:
        return prepare_domain(address)
    except MalformedAddress:
        return None


def _account(address: str) -> Address | None:
    """Return the account in an XmppAddr, if it has no resource."""
    try:
        account = Address.parse(address)
    except MalformedAddress:
        return None
    return account if account.local and account.is_bare else None
