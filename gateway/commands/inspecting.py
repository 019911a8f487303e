"""The inspector that commands use, with the settings for DNS and TLS."""

from __future__ import annotations

import secrets
from functools import partial
from ipaddress import ip_network

from gateway.config.settings import DNSSettings, TLSSettings
from gateway.inspection.inspector import Converse, Inspector, ShowProgress
from gateway.inspection.names import NameInspector
from gateway.inspection.visits import ServerVisitor
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.dns.destinations import Destinations
from gateway.net.dns.system_names import WatchedFile, nameservers_of, read_hosts
from gateway.stream.tools import STREAM_ID_BYTES, StreamTools
from gateway.timing.reactor import IReactor
from gateway.xmpp.addresses import AddressCache


def inspector_for(
    reactor: IReactor,
    dns: DNSSettings,
    tls: TLSSettings,
    *,
    converse: Converse | None = None,
    progress: ShowProgress = lambda step: None,
) -> Inspector:
    """Return an inspector that asks these nameservers and trusts these authorities.

    A stranger's DNS decides where it connects, so loopback and the like are left out, unless [dns] allows them.
    """
    judge = CertificateJudge(TrustStore.load(tls.authorities, tls.crls))
    tools = StreamTools(addresses=AddressCache(), new_id=partial(secrets.token_urlsafe, STREAM_ID_BYTES))
    hosts = WatchedFile(str(dns.hosts_file), read_hosts)
    return Inspector(
        reactor,
        NameInspector(reactor, nameservers_of(dns.nameservers), dns.validating, hosts=hosts.content),
        lambda domain: ServerVisitor(reactor, domain, judge, tools),
        Destinations(map(ip_network, dns.refuse_networks), allowed=map(ip_network, dns.allow_networks)),
        converse=converse,
        progress=progress,
    )
