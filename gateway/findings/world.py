"""Our own domains as the world sees them: a finite table of rules, each green or red, and the records to publish.

The findings are those of any server's report, and a few that only the owner can know: whether the records lead to this
gateway, whether clients find it, and who may issue certificates.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.findings.facts import Reached, SeenDomain, SeenEndpoint, SeenNames
from gateway.findings.finding import Finding, at, merged
from gateway.findings.report import judged
from gateway.findings.table import FindingId

WORLD_SCHEMA = 1
"""The version of the JSON form of `check --world`."""


class RuleState(StrEnum):
    """The outcome of one rule."""

    GREEN = "green"
    NOTE = "note"  # green, with something worth knowing
    RED = "red"
    UNKNOWN = "unknown"  # it could not be examined; usually because an earlier rule is red


@dataclass(frozen=True, kw_only=True)
class WorldRule:
    """What is verified, and the findings that make it red, or add a note; `needs` is a key of `_EXAMINED`."""

    name: str
    verifies: str
    ids: frozenset[FindingId]
    needs: str = "dns"


@dataclass(frozen=True, kw_only=True)
class OpenPort:
    """A port of this gateway, as the records for it should say; `service` is the name of the SRV record."""

    service: str
    port: int
    for_clients: bool = False


@dataclass(frozen=True, kw_only=True)
class SeenOwn:
    """What was seen of one of our domains, and what only its owner knows.

    `key` is the SHA-256 digest of the key that this gateway shows for the domain, in hex. `clients` is None where there
    are no accounts. `caa` are the CAA records that apply to it.
    """

    seen: SeenDomain
    key: str = ""
    ports: tuple[OpenPort, ...] = ()
    clients: SeenNames | None = None
    client_endpoints: tuple[SeenEndpoint, ...] = ()
    caa: tuple[str, ...] = ()
    asked_caa: bool = True  # False: the DNS did not answer


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """One rule, its state, and the findings that led to it."""

    rule: WorldRule
    state: RuleState
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorldReport:
    """The results of all rules for one domain, and the records that are missing, as lines of a zone file."""

    domain: str
    results: tuple[RuleResult, ...]
    publish: tuple[str, ...] = field(default=())

    @property
    def is_well(self) -> bool:
        """Return whether no rule is red."""
        return all(each.state is not RuleState.RED for each in self.results)

    def as_record(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "domain": self.domain,
            "well": self.is_well,
            "rules": [
                {
                    "rule": each.rule.name,
                    "verifies": each.rule.verifies,
                    "state": str(each.state),
                    "findings": [_of_ours(finding.as_record(self.domain)) for finding in each.findings],
                }
                for each in self.results
            ],
            "publish": list(self.publish),
        }


def world_report(own: SeenOwn) -> WorldReport:
    """Apply every rule to what was seen of one of our domains."""
    findings = merged((*judged(own.seen), *_about_keys(own), *_about_clients(own), *_about_caa(own)))
    return WorldReport(
        domain=own.seen.domain,
        results=tuple(_result(rule, findings, own) for rule in WORLD_RULES),
        publish=tuple(_missing(own)),
    )


def _is_known(names: SeenNames) -> bool:
    """Return whether the DNS has said which servers there are."""
    return names.source != "fallback" or all(each.is_definite for each in names.services)


_TRIED = (Reached.CONNECTED, Reached.REFUSED, Reached.SILENT)
_EXAMINED: Mapping[str, Callable[[SeenOwn], bool]] = {
    "dns": lambda own: _is_known(own.seen.names),
    "clients": lambda own: own.clients is None or _is_known(own.clients),
    "addresses": lambda own: any(server.addresses for server in own.seen.names.servers),
    "caa": lambda own: own.asked_caa,
    "connection": lambda own: any(each.reached in _TRIED for each in own.seen.endpoints),
    "stream": lambda own: any(each.certificate is not None for each in own.seen.connected),
}
"""Whether what a rule needs was seen at all."""


def _result(rule: WorldRule, findings: Iterable[Finding], own: SeenOwn) -> RuleResult:
    mine = tuple(each for each in findings if each.id in rule.ids)
    if any(each.is_wrong for each in mine):
        return RuleResult(rule=rule, state=RuleState.RED, findings=mine)
    state = RuleState.UNKNOWN if not _EXAMINED[rule.needs](own) else RuleState.NOTE if mine else RuleState.GREEN
    return RuleResult(rule=rule, state=state, findings=mine)


def _of_ours(record: dict[str, Any]) -> dict[str, Any]:
    """Return a finding about us: what is theirs in a report on others is ours here."""
    return {**record, "side": record["side"].replace("theirs", "ours")}


# -- what only the owner knows -----------------------------------------------------------------------------------------


def _about_keys(own: SeenOwn) -> Iterator[Finding]:
    """Judge whether the servers that the records lead to show our certificate."""
    for each in own.seen.connected:
        if own.key and each.certificate is not None and each.certificate.key not in ("", own.key):
            told = f"its key is {each.certificate.key[:16]}..., ours is {own.key[:16]}..."
            yield at(FindingId.LEADS_ELSEWHERE, each.place, told)


def _about_clients(own: SeenOwn) -> Iterator[Finding]:
    if own.clients is None or not _is_known(own.clients):
        return
    if own.clients.source == "fallback":
        yield Finding(id=FindingId.NO_CLIENT_SRV, observed="; ".join(each.told for each in own.clients.services))
    tried = [each for each in own.client_endpoints if each.reached in (Reached.REFUSED, Reached.SILENT)]
    for each in tried:
        yield at(FindingId.CLIENTS_UNREACHABLE, each.place, each.told)
    if not own.client_endpoints:
        yield Finding(id=FindingId.CLIENTS_UNREACHABLE, observed="no address is known")


def _about_caa(own: SeenOwn) -> Iterator[Finding]:
    """Judge the CAA records: `FLAGS issue "AUTHORITY; PARAMETERS"`."""
    if not own.asked_caa:
        return
    issuers = [value for value in map(_issuer, own.caa) if value is not None]
    if not issuers:
        yield Finding(id=FindingId.NO_CAA)
    elif not any(issuers):
        yield Finding(id=FindingId.CAA_FORBIDS, observed="; ".join(own.caa))
    else:
        yield Finding(id=FindingId.CAA_NAMED, observed="; ".join(own.caa))


def _issuer(record: str) -> str | None:
    """Return the authority that an `issue` record names, empty for none; None for other records."""
    parts = record.split(" ", 2)
    if len(parts) != 3 or parts[1].lower() != "issue":
        return None
    return parts[2].strip('"').partition(";")[0].strip()


def _missing(own: SeenOwn) -> Iterator[str]:
    """Yield the records that are not there, as lines of a zone file."""
    domain = own.seen.domain
    if not _is_known(own.seen.names) or (own.clients is not None and not _is_known(own.clients)):
        return
    present = _places(own.seen.names) | (_places(own.clients) if own.clients is not None else set())
    reachable = next((server.host for server in own.seen.names.servers if server.addresses), None)
    host = reachable or f"xmpp.{domain}"
    for port in own.ports:
        if port.for_clients and own.clients is None:
            continue
        if not any(service == port.service for service, _ in present):
            yield f"{port.service}.{domain}. 3600 IN SRV 0 5 {port.port} {host}."
    if reachable is None:
        yield f"; and the addresses of {host}:"
        yield f"; {host}. 3600 IN A ADDRESS"
        yield f"; {host}. 3600 IN AAAA ADDRESS"
    if own.key and own.seen.names.checks_signatures:
        yield from _missing_tlsa(own)


def _missing_tlsa(own: SeenOwn) -> Iterator[str]:
    """Yield a TLSA record for each server in a signed zone that has none for our key."""
    for server in own.seen.names.servers:
        secure = server.tlsa is not None and str(server.tlsa.signed) == "secure"
        named = server.tlsa is not None and any(own.key.startswith(_digest(each)) for each in server.tlsa.values)
        if secure and not named:
            yield f"_{server.port}._tcp.{server.host}. 3600 IN TLSA 3 1 1 {own.key}"


def _digest(value: str) -> str:
    """Return the beginning of the digest in a TLSA record as it is shown: `3 1 1 DIGITS...`."""
    return value.rpartition(" ")[2].rstrip(".") or "-"


def _places(names: SeenNames) -> set[tuple[str, str]]:
    """Return the services that have SRV records, each with a record."""
    return {
        (".".join(lookup.name.split(".")[:2]), value)
        for lookup in names.services
        for value in lookup.values
        if not value.endswith(" .")
    }


WORLD_RULES = (
    WorldRule(
        name="records for servers",
        verifies="SRV records name this domain's servers",
        ids=frozenset(
            {
                FindingId.NO_SUCH_DOMAIN,
                FindingId.DNS_SILENT,
                FindingId.DNS_BOGUS,
                FindingId.NO_SERVICE,
                FindingId.NO_SRV,
                FindingId.ANSWERS_DIFFER,
            }
        ),
    ),
    WorldRule(
        name="addresses",
        needs="addresses",
        verifies="every server has an A and an AAAA record",
        ids=frozenset(
            {
                FindingId.NO_ADDRESS,
                FindingId.SRV_ALIAS,
                FindingId.SERVER_WITHOUT_ADDRESS,
                FindingId.NO_IPV6,
                FindingId.NO_IPV4,
            }
        ),
    ),
    WorldRule(
        name="ports for servers",
        verifies="every address accepts connections",
        needs="connection",
        ids=frozenset(
            {
                FindingId.UNREACHABLE,
                FindingId.SERVER_DEAD,
                FindingId.IPV6_DEAD,
                FindingId.ADDRESS_DEAD,
                FindingId.NO_ROUTE,
                FindingId.UNFINISHED,
            }
        ),
    ),
    WorldRule(
        name="ports for clients",
        needs="clients",
        verifies="clients find the server and can connect (green without accounts)",
        ids=frozenset({FindingId.NO_CLIENT_SRV, FindingId.CLIENTS_UNREACHABLE}),
    ),
    WorldRule(
        name="leads here",
        verifies="the servers that the records name are this gateway",
        needs="stream",
        ids=frozenset({FindingId.LEADS_ELSEWHERE, FindingId.HOST_UNKNOWN, FindingId.NOT_XMPP}),
    ),
    WorldRule(
        name="TLS",
        verifies="TLS is offered and strong",
        needs="stream",
        ids=frozenset(
            {
                FindingId.NO_STARTTLS,
                FindingId.STARTTLS_OPTIONAL,
                FindingId.TLS_FAILED,
                FindingId.TLS_OLD,
                FindingId.TLS_WEAK,
                FindingId.NO_TLS_1_3,
                FindingId.NO_ALPN,
                FindingId.NEEDS_SNI,
            }
        ),
    ),
    WorldRule(
        name="chain",
        verifies="the certificate comes with its chain, and this system trusts it",
        needs="stream",
        ids=frozenset(
            {
                FindingId.NO_CERTIFICATE,
                FindingId.SELF_SIGNED,
                FindingId.CHAIN_INCOMPLETE,
                FindingId.AUTHORITY_UNKNOWN,
                FindingId.REVOKED,
                FindingId.WRONG_PURPOSE,
                FindingId.CERTIFICATE_REFUSED,
            }
        ),
    ),
    WorldRule(
        name="names",
        verifies="the certificate names the domain",
        needs="stream",
        ids=frozenset({FindingId.WRONG_NAME}),
    ),
    WorldRule(
        name="days",
        verifies="the certificate is valid for at least 14 more days",
        needs="stream",
        ids=frozenset({FindingId.EXPIRED, FindingId.NOT_YET_VALID, FindingId.EXPIRES_SOON}),
    ),
    WorldRule(
        name="DANE",
        needs="addresses",
        verifies="TLSA records, where there are any, are signed and name the certificate",
        ids=frozenset(
            {
                FindingId.TLSA_MISMATCH,
                FindingId.TLSA_UNAVAILABLE,
                FindingId.TLSA_UNSIGNED,
                FindingId.TLSA_UNUSABLE,
            }
        ),
    ),
    WorldRule(
        name="CAA",
        needs="caa",
        verifies="CAA records say who may issue certificates",
        ids=frozenset({FindingId.CAA_FORBIDS, FindingId.NO_CAA}),
    ),
    WorldRule(
        name="stream",
        verifies="strangers get a stream, and dialback works",
        needs="stream",
        ids=frozenset(
            {
                FindingId.STREAM_REFUSED,
                FindingId.WRONG_FROM,
                FindingId.NO_STREAM_ID,
                FindingId.NO_VERSION,
                FindingId.NO_FEATURES,
                FindingId.NEEDS_CERTIFICATE,
                FindingId.NO_DIALBACK,
                FindingId.VERIFY_SILENT,
                FindingId.VERIFIES_ANYTHING,
                FindingId.BELIEVES_ANYBODY,
                FindingId.SASL_BEFORE_TLS,
                FindingId.STARTTLS_AGAIN,
            }
        ),
    ),
)
"""Every rule, in the order in which to repair those that are red."""
