"""`[domains]`: what is served, how, and with which certificate.

`serve` decides which class of settings a domain gets, and so which keys its table may have. Certificates, keys and
handlers are loaded here only to check that they can be. The code that uses them loads them again, so it gets renewed
ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from gateway.config.peers import check_proofs
from gateway.config.reading import KeyPath, Reading, did_you_mean, dotted
from gateway.config.services import load_handler, read_options, service_names
from gateway.config.settings import (
    ComponentDomain,
    ContactAddress,
    DelegationSettings,
    DomainSettings,
    HandlerDomain,
    ImDomain,
    PeerEntries,
    PeerSettings,
    PrivilegeSettings,
    RelayDomain,
    options_of,
)
from gateway.config.tables import named_tables, read_table
from gateway.config.values import convert
from gateway.net.certificates.own_certificates import load_identities, load_identity
from gateway.routing.delegations import Delegated, why_not
from gateway.routing.privileges import REQUESTS, Privileges
from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.errors import ConfigError, MalformedAddress

CONTACT_KINDS = ("abuse", "feedback", "sales", "security", "status", "support")  # besides the admins
SERVED = ("im", "component", "relay")
NO_DOMAIN = Domain("?")  # in place of an invalid name, while the rest of its table is read
_PRIVILEGES = frozenset(each.name for each, _ in options_of(PrivilegeSettings))
_DELEGATIONS = frozenset(each.name for each, _ in options_of(DelegationSettings))
COMMON = frozenset(each.name for each, _ in options_of(DomainSettings)) - {"serve"}


def read_domains(reading: Reading, tables: object, peers: PeerEntries) -> dict[Domain, DomainSettings]:
    """Return the domains that this gateway answers for, in the order of the file."""
    domains: dict[Domain, DomainSettings] = {}
    written: dict[Domain, KeyPath] = {}
    for key, name, table in named_tables(reading, ("domains",), tables, {"serve"}):
        domain = _domain(reading, key, name)
        if domain in written:
            reading.wrong(key, f"names the same domain as {dotted(written[domain])}")
        settings = _read_domain(reading, key, domain or NO_DOMAIN, table, peers)
        _check_announced(reading, key, settings)
        if settings.key is not None and settings.certificate is None:
            reading.wrong((*key, "key"), "there is no certificate for this key: set certificate too")
        if domain is None or domain in written:
            _check_nameless(reading, key, settings)
        if domain is not None:
            written.setdefault(domain, key)
            domains.setdefault(domain, settings)
    _check_managed(reading, written, domains)
    if tables == {}:
        reading.wrong(("domains",), 'is needed: without a table like [domains."example.com"] nothing would be served')
    _check_certificates(reading, written, domains)
    return domains


def _domain(reading: Reading, key: KeyPath, name: str) -> Domain | None:
    """Return the domain that a table is named after; None if the name is not a domain."""
    try:
        return prepare_domain(name)
    except MalformedAddress as error:
        reading.wrong(key, error.problem)
        return None


def _read_domain(
    reading: Reading, key: KeyPath, domain: Domain, table: dict[str, Any], peers: PeerEntries
) -> DomainSettings:
    """Return the settings of one domain, according to how it is served."""
    match table.get("serve"):
        case "im":
            return ImDomain(domain=domain, **read_table(reading, key, table, ImDomain))
        case "component":
            return _read_component(reading, key, domain, table)
        case "relay":
            return _read_relay(reading, key, domain, table, peers)
        case str(name) if "." in name or name in service_names():
            return _read_handler(reading, key, domain, table, name)
        case wrong:
            return _read_unserved(reading, key, domain, table, wrong)


def _read_component(reading: Reading, key: KeyPath, domain: Domain, table: dict[str, Any]) -> ComponentDomain:
    given = read_table(reading, key, table, ComponentDomain, besides={"privileges", "delegations"})
    delegations = _read_delegations(reading, (*key, "delegations"), table.get("delegations", {}))
    privileges: dict[Domain, Privileges] = {}
    for at, name, grants in named_tables(reading, (*key, "privileges"), table.get("privileges", {}), _PRIVILEGES):
        settings = PrivilegeSettings(**read_table(reading, at, grants, PrivilegeSettings))
        if settings.presence == "roster" and settings.roster not in ("get", "both"):
            reading.wrong((*at, "presence"), 'is "roster", which needs roster = "get" or "both"')
        for namespace, type_ in (settings.iq or {}).items():
            if type_ not in REQUESTS:
                reading.wrong((*at, "iq", namespace), f"{type_!r} is not one of {', '.join(map(repr, REQUESTS))}")
        managed = _domain(reading, at, name)
        if managed is not None:
            privileges[managed] = Privileges(**{each.name: getattr(settings, each.name) for each in fields(settings)})
    return ComponentDomain(domain=domain, privileges=privileges, delegations=delegations, **given)


def _read_delegations(reading: Reading, key: KeyPath, tables: object) -> dict[Domain, Delegated]:
    """Return what is delegated to a component, by the domain that delegates it."""
    delegations: dict[Domain, Delegated] = {}
    for at, name, table in named_tables(reading, key, tables, _DELEGATIONS):
        settings = DelegationSettings(**read_table(reading, at, table, DelegationSettings))
        delegated: dict[str, tuple[str, ...]] = {}
        for namespace, attributes in (settings.namespaces or {}).items():
            if (problem := why_not(namespace)) is not None:
                reading.wrong((*at, "namespaces", namespace), problem)
            elif not isinstance(attributes, list) or not all(isinstance(each, str) and each for each in attributes):
                problem = f"a list of names of attributes is needed, or [] for all requests, not {attributes!r}"
                reading.wrong((*at, "namespaces", namespace), problem)
            else:
                delegated[namespace] = tuple(attributes)
        managed = _domain(reading, at, name)
        if managed is not None:
            delegations[managed] = delegated
    return delegations


def _check_announced(reading: Reading, key: KeyPath, settings: DomainSettings) -> None:
    """Check what the domain announces in service discovery beside its services."""
    for kind, uris in (settings.contacts or {}).items():
        if kind not in CONTACT_KINDS:
            known = ", ".join(CONTACT_KINDS)
            reading.wrong((*key, "contacts", kind), f"is not one of {known}{did_you_mean(kind, CONTACT_KINDS)}")
        elif not isinstance(uris, list):
            reading.wrong((*key, "contacts", kind), f"a list is needed, not {uris!r}: put it in brackets")
        for uri in uris if isinstance(uris, list) else ():
            try:
                convert(reading.folder, uri, ContactAddress)
            except ValueError as error:
                reading.wrong((*key, "contacts", kind), str(error))
    for address, name in (settings.items or {}).items():
        try:
            Address.parse(address)
        except MalformedAddress as error:
            reading.wrong((*key, "items", address), error.problem)
        if not isinstance(name, str):
            reading.wrong((*key, "items", address), f"a name is needed, not {name!r}")


def _check_managed(reading: Reading, written: Mapping[Domain, KeyPath], domains: Mapping[Domain, Any]) -> None:
    """Check that privileges and delegations are for domains with accounts, and that nothing is delegated twice."""
    taken: dict[tuple[Domain, str], Domain] = {}
    for name, settings in domains.items():
        if not isinstance(settings, ComponentDomain):
            continue
        for kind, then in (("privileges", "nobody has privileges there"), ("delegations", "it delegates nothing")):
            for managed in getattr(settings, kind):
                if not isinstance(domains.get(managed), ImDomain):
                    problem = f'is not one of our domains with accounts (serve = "im"), so {then}'
                    reading.wrong((*written[name], kind, managed), problem)
        for managed, delegated in settings.delegations.items():
            for namespace in delegated:
                if (other := taken.setdefault((managed, namespace), name)) != name:
                    key = (*written[name], "delegations", managed, "namespaces", namespace)
                    reading.wrong(key, f"is already delegated to {other}")


def _read_unserved(reading: Reading, key: KeyPath, domain: Domain, table: dict[str, Any], wrong: Any) -> DomainSettings:
    """Read the common keys of a domain whose `serve` is missing or unknown."""
    choice = "'im', 'component', 'relay', or the name of a service"
    if wrong is None:
        reading.wrong((*key, "serve"), f"is needed: {choice}")
    else:
        hint = did_you_mean(wrong, {*SERVED, *service_names()}) if isinstance(wrong, str) else ""
        reading.wrong((*key, "serve"), f"{wrong!r} is not one of {choice}{hint}")
    rest = {name: value for name, value in table.items() if name in COMMON}
    return DomainSettings(domain=domain, serve="", **read_table(reading, key, rest, DomainSettings, complete=False))


def _read_relay(
    reading: Reading, key: KeyPath, domain: Domain, table: dict[str, Any], peers: PeerEntries
) -> RelayDomain:
    """Read a relayed server: its own keys, and those of `[peers]` that say how we deal with it."""
    theirs = {each.name for each, _ in options_of(PeerSettings)} - {"allow"}
    files = {"digest_md5_secret_file"}
    own = read_table(reading, key, table, RelayDomain, besides=theirs | files)
    towards = {name: value for name, value in table.items() if name in theirs | files}
    given = read_table(reading, key, towards, PeerSettings, complete=False)
    peer = replace(peers.for_domain(domain), **given)
    if peer.connect is None and "connect" not in given:
        reading.wrong((*key, "connect"), "is needed: the endpoint of the server behind us, such as 'tcp:10.0.0.5:5269'")
    check_proofs(reading, key, given, peer, secret_allowed=True)
    return RelayDomain(domain=domain, peer=peer, given=frozenset(given), **own)


def _read_handler(reading: Reading, key: KeyPath, domain: Domain, table: dict[str, Any], name: str) -> DomainSettings:
    given = read_table(reading, key, table, HandlerDomain)
    try:
        factory = load_handler(name)
    except ValueError as error:
        reading.wrong((*key, "serve"), str(error))
        return HandlerDomain(domain=domain, factory=dict, **given)  # the settings are not used
    if given.get("options", {}) is not None:
        given["options"] = read_options(reading, (*key, "options"), name, factory, given.get("options", {}))
    return HandlerDomain(domain=domain, factory=factory, **given)


def _check_certificates(
    reading: Reading, written: Mapping[Domain, KeyPath], domains: Mapping[Domain, DomainSettings]
) -> None:
    """Check that the certificates can be used and are valid for their domains.

    While one of them can be used, the gateway has work to do: then the others are faults, not mistakes.
    """
    loaded = load_identities(certificates_of(domains))
    for domain, error in loaded.faults.items():
        tell = reading.fault if loaded.identities else reading.wrong
        tell((*written[domain], error.key), error.problem)


def _check_nameless(reading: Reading, key: KeyPath, settings: DomainSettings) -> None:
    """Check the certificate of a table whose name is a mistake, so that all mistakes are reported at once."""
    try:
        if settings.certificate is not None:
            load_identity(settings.certificate, settings.key)
    except ConfigError as error:
        reading.wrong((*key, error.key), error.problem)


def certificates_of(domains: Mapping[Domain, DomainSettings]) -> Iterator[tuple[Domain, Path, Path | None]]:
    """Yield the domains that have their own certificates, with the files of certificate and key."""
    for name, domain in domains.items():
        if domain.certificate is not None:
            yield name, domain.certificate, domain.key
