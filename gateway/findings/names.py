"""Rules about what the DNS says about a domain and its servers."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.findings.facts import DNSLookup, LookedUp, SeenDomain, SeenNames, Signed
from gateway.findings.finding import Finding, FindingRule, at
from gateway.findings.table import FindingId


def about_services(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether the domain can be found at all, and by which records."""
    names = seen.names
    if names.source == "configured" and not any(server.addresses for server in names.servers):
        yield _not_found(names)
    if names.source in ("literal", "configured"):
        return
    if bogus := [each for each in _lookups(names) if each.signed is Signed.BOGUS]:
        yield Finding(id=FindingId.DNS_BOGUS, observed=_told(bogus))
    elif not any(server.addresses for server in names.servers):
        yield _not_found(names)
        return
    if names.source == "srv":
        yield Finding(id=FindingId.NAMES_FOUND, observed=_told(names.services))
    elif not bogus and all(each.is_definite for each in names.services):
        yield Finding(id=FindingId.NO_SRV, observed=_told(names.services))
    open_questions = [each for each in _lookups(names) if not each.is_definite and each.signed is not Signed.BOGUS]
    if open_questions:
        yield Finding(id=FindingId.UNFINISHED, observed=f"no answer from the DNS: {_told(open_questions)}")


def _not_found(names: SeenNames) -> Finding:
    """Return why there is no address at all."""
    if names.denied and not names.servers:
        return Finding(id=FindingId.NO_SERVICE, observed=_told(names.services))
    lookups = list(_lookups(names))
    if any(not each.is_definite for each in lookups):
        return Finding(id=FindingId.DNS_SILENT, observed=_told([each for each in lookups if not each.is_definite]))
    if names.source == "fallback" and any(each.ended is LookedUp.NO_NAME for each in _of_servers(names)):
        return Finding(id=FindingId.NO_SUCH_DOMAIN, observed=_told(lookups))
    return Finding(id=FindingId.NO_ADDRESS, observed=_told(lookups))


def about_servers(seen: SeenDomain) -> Iterator[Finding]:
    """Judge each server that the domain names."""
    names = seen.names
    some_address = any(server.addresses for server in names.servers)
    for server in names.servers:
        if server.four is None or server.six is None:
            continue
        if names.source == "srv" and (alias := next((e for e in (server.four, server.six) if e.is_alias), None)):
            yield at(FindingId.SRV_ALIAS, server.host, f"{server.host} is an alias of {alias.canonical}")
        answered = server.four.is_definite and server.six.is_definite
        if some_address and not server.addresses and answered:
            told = "the name does not exist" if server.four.ended is LookedUp.NO_NAME else "neither A nor AAAA"
            yield at(FindingId.SERVER_WITHOUT_ADDRESS, server.host, told)


def about_families(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether both kinds of addresses lead to the domain."""
    addresses = [address for server in seen.names.servers for address in server.addresses]
    if seen.names.source in ("literal", "configured") or not addresses:
        return
    families = [lookup for server in seen.names.servers for lookup in (server.four, server.six) if lookup is not None]
    if all(":" not in address for address in addresses) and all(
        each.is_definite for each in families if each.kind == "AAAA"
    ):
        yield Finding(id=FindingId.NO_IPV6)
    if all(":" in address for address in addresses) and all(each.is_definite for each in families if each.kind == "A"):
        yield Finding(id=FindingId.NO_IPV4)


def about_nameservers(seen: SeenDomain) -> Iterator[Finding]:
    """Judge whether all nameservers say the same."""
    for told in seen.names.disagreements:
        yield Finding(id=FindingId.ANSWERS_DIFFER, observed=told)


def about_signatures(seen: SeenDomain) -> Iterator[Finding]:
    """Judge DNSSEC and the TLSA records, where a nameserver checks signatures for us."""
    names = seen.names
    if not names.checks_signatures or names.source in ("literal", "configured"):
        return
    found = [each for each in _lookups(names) if each.values]
    all_signed = bool(found) and all(each.signed is Signed.SECURE for each in found)
    if any(each.signed is Signed.BOGUS for each in _lookups(names)):
        return
    if all_signed:
        yield Finding(id=FindingId.SIGNED)
    for server in names.servers:
        tlsa = server.tlsa
        if tlsa is None:
            continue
        is_proved = tlsa.signed is Signed.SECURE and all_signed
        if tlsa.signed is Signed.BOGUS or (all_signed and not tlsa.is_definite):
            yield at(FindingId.TLSA_UNAVAILABLE, server.place, tlsa.told)
        elif tlsa.values and not is_proved:
            yield at(FindingId.TLSA_UNSIGNED, server.place, tlsa.told)
        elif tlsa.values and all(each.startswith("unusable ") for each in tlsa.values):
            yield at(FindingId.TLSA_UNUSABLE, server.place, tlsa.told)


def _lookups(names: SeenNames) -> Iterator[DNSLookup]:
    yield from names.services
    yield from _of_servers(names)


def _of_servers(names: SeenNames) -> Iterator[DNSLookup]:
    for server in names.servers:
        yield from (each for each in (server.four, server.six) if each is not None)


def _told(lookups: list[DNSLookup] | tuple[DNSLookup, ...]) -> str:
    return "; ".join(dict.fromkeys(each.told for each in lookups))


RULES: tuple[FindingRule, ...] = (
    about_services,
    about_servers,
    about_families,
    about_nameservers,
    about_signatures,
)
