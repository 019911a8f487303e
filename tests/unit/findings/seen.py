"""Facts about a domain without fault, to be changed in one point."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.findings.facts import (
    DNSLookup,
    LookedUp,
    PeerAnswer,
    Reached,
    SeenCertificate,
    SeenDomain,
    SeenEndpoint,
    SeenNames,
    SeenServer,
    SeenStream,
    SeenTLS,
    STARTTLSOffer,
)

DOMAIN = "example.test"
FOUR, SIX = "192.0.2.1", "2001:db8::1"


def lookup(kind: str, name: str, *values: str, **more: Any) -> DNSLookup:
    ended = LookedUp.FOUND if values else LookedUp.NONE
    return replace(DNSLookup(kind=kind, name=name, ended=ended, values=values, canonical=name, told=kind), **more)


def server(host: str = f"xmpp.{DOMAIN}", **more: Any) -> SeenServer:
    found = SeenServer(
        host=host, port=5269, tls="starttls", four=lookup("A", host, FOUR), six=lookup("AAAA", host, SIX)
    )
    return replace(found, **more)


def names(*servers: SeenServer, **more: Any) -> SeenNames:
    service = lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}", f"1 0 5269 xmpp.{DOMAIN}")
    none = lookup("SRV", f"_xmpps-server._tcp.{DOMAIN}")
    found = SeenNames(source="srv", services=(service, none), servers=servers or (server(),))
    return replace(found, **more)


def certificate(**more: Any) -> SeenCertificate:
    found = SeenCertificate(
        reason="trusted",
        names=DOMAIN,
        names_domain=True,
        not_after="2027-01-01",
        days_left=60,
        issuer="'An authority'",
        key="00" * 32,
        sent=2,
        purposes="server client",
    )
    return replace(found, **more)


def stream(**more: Any) -> SeenStream:
    found = SeenStream(
        header=True,
        from_=DOMAIN,
        has_id=True,
        version="1.0",
        features=("starttls",),
        starttls=STARTTLSOffer.REQUIRED,
        features_in_tls=("bidi", "dialback"),
        dialback=True,
        dialback_errors=True,
        verify=PeerAnswer.INVALID,
        claim=PeerAnswer.INVALID,
    )
    return replace(found, **more)


def endpoint(address: str = FOUR, **more: Any) -> SeenEndpoint:
    found = SeenEndpoint(
        host=f"xmpp.{DOMAIN}",
        port=5269,
        tls="starttls",
        address=address,
        reached=Reached.CONNECTED,
        secured=SeenTLS(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384"),
        certificate=certificate(),
        stream=stream(),
    )
    return replace(found, **more)


def domain(*endpoints: SeenEndpoint, **more: Any) -> SeenDomain:
    found = SeenDomain(domain=DOMAIN, names=names(), endpoints=endpoints or (endpoint(), endpoint(SIX)))
    return replace(found, **more)
