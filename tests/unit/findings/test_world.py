"""`check --world`: a finite table of rules about our own domains, and the records that are missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.findings.facts import LookedUp, Reached, Signed
from gateway.findings.table import FindingId, Severity
from gateway.findings.world import WORLD_RULES, OpenPort, RuleState, SeenOwn, WorldReport, world_report
from tests.unit.findings.seen import DOMAIN, certificate, domain, endpoint, lookup, names, server

KEY = "00" * 32
PORTS = (
    OpenPort(service="_xmpp-server._tcp", port=5269),
    OpenPort(service="_xmpps-server._tcp", port=5270),
    OpenPort(service="_xmpp-client._tcp", port=5222, for_clients=True),
)
CLIENTS = names(
    services=(lookup("SRV", f"_xmpp-client._tcp.{DOMAIN}", f"0 5 5222 xmpp.{DOMAIN}"),),
)
GOOD = SeenOwn(
    seen=domain(),
    key=KEY,
    ports=PORTS[:1],
    clients=CLIENTS,
    client_endpoints=(endpoint(port=5222),),
    caa=('0 issue "authority.test"',),
)


def states(report: WorldReport) -> dict[str, RuleState]:
    return {each.rule.name: each.state for each in report.results}


def test_all_can_be_green() -> None:
    report = world_report(GOOD)
    assert set(states(report).values()) == {RuleState.GREEN}
    assert report.is_well
    assert report.publish == ()


def other_key(own: SeenOwn) -> SeenOwn:
    return replace(own, seen=domain(endpoint(certificate=certificate(key="11" * 32))))


def with_certificate(reason: str, **more: object) -> SeenOwn:
    return replace(GOOD, seen=domain(endpoint(certificate=certificate(reason=reason, **more))))


DEAD = endpoint(reached=Reached.REFUSED, secured=None, certificate=None)


@pytest.mark.parametrize(
    ("own", "red"),
    [
        (other_key(GOOD), "leads here"),
        (with_certificate("expired"), "days"),
        (with_certificate("unknown authority"), "chain"),
        (with_certificate("trusted", names_domain=False), "names"),
        (with_certificate("trusted", dane="it is another"), "DANE"),
        (replace(GOOD, caa=('0 issue ";"',)), "CAA"),
        (replace(GOOD, client_endpoints=(DEAD,)), "ports for clients"),
        (replace(GOOD, client_endpoints=()), "ports for clients"),
        (replace(GOOD, seen=domain(endpoint(stream=replace(endpoint().stream, has_id=False)))), "stream"),
        (replace(GOOD, seen=domain(names=names(disagreements=("one says this",)))), "records for servers"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_fault_makes_exactly_its_rule_red(own: SeenOwn, red: str) -> None:
    report = world_report(own)
    assert {name for name, state in states(report).items() if state is RuleState.RED} == {red}
    assert not report.is_well


def ids(own: SeenOwn) -> set[str]:
    return {str(found.id) for result in world_report(own).results for found in result.findings}


def test_records_that_only_help_are_missed_too() -> None:
    assert "no-caa" in ids(replace(GOOD, caa=('0 iodef "mailto:a@example.test"', "malformed")))
    assert "no-caa" not in ids(replace(GOOD, asked_caa=False, caa=()))
    assert "no-client-srv" in ids(replace(GOOD, clients=names(source="fallback")))
    assert "no-client-srv" not in ids(GOOD)


def test_what_cannot_be_examined_is_neither_green_nor_red() -> None:
    found = states(world_report(replace(GOOD, seen=domain(DEAD))))
    assert found["ports for servers"] is RuleState.RED
    assert {found[name] for name in ("leads here", "TLS", "chain", "names", "days", "stream")} == {RuleState.UNKNOWN}


def test_a_silent_dns_leaves_nothing_green_and_nothing_to_publish() -> None:
    silent = lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}", ended=LookedUp.SILENT)
    none = lookup("A", DOMAIN, ended=LookedUp.SILENT)
    seen = names(server(DOMAIN, four=none, six=none), source="fallback", services=(silent,))
    own = replace(
        GOOD, seen=replace(domain(names=seen), endpoints=()), clients=seen, client_endpoints=(), asked_caa=False
    )
    report = world_report(own)
    assert states(report).pop("records for servers") is RuleState.RED
    assert set(list(states(report).values())[1:]) == {RuleState.UNKNOWN}
    assert report.publish == ()


def test_a_domain_that_does_not_exist_has_neither_good_addresses_nor_good_tlsa_records() -> None:
    missing = lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}", ended=LookedUp.NO_NAME)
    none = lookup("A", DOMAIN, ended=LookedUp.NO_NAME)
    seen = names(server(DOMAIN, four=none, six=none), source="fallback", services=(missing,))
    found = states(world_report(replace(GOOD, seen=replace(domain(names=seen), endpoints=()))))
    assert found["records for servers"] is RuleState.RED
    assert {found["addresses"], found["DANE"]} == {RuleState.UNKNOWN}


def test_what_is_theirs_elsewhere_is_ours_here() -> None:
    record = world_report(with_certificate("expired")).as_record()
    (found,) = [finding for rule in record["rules"] for finding in rule["findings"] if rule["state"] == "red"]
    assert found["side"] == "ours"


def test_missing_records_are_ready_to_paste() -> None:
    own = replace(GOOD, ports=PORTS)
    assert world_report(own).publish == (f"_xmpps-server._tcp.{DOMAIN}. 3600 IN SRV 0 5 5270 xmpp.{DOMAIN}.",)
    nothing = lookup("A", DOMAIN, ended=LookedUp.NO_NAME)
    bare = names(
        server(DOMAIN, four=nothing, six=nothing),
        source="fallback",
        services=(lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}"),),
    )
    published = world_report(replace(own, seen=replace(domain(names=bare), endpoints=()), clients=None)).publish
    assert published[:2] == (
        f"_xmpp-server._tcp.{DOMAIN}. 3600 IN SRV 0 5 5269 xmpp.{DOMAIN}.",
        f"_xmpps-server._tcp.{DOMAIN}. 3600 IN SRV 0 5 5270 xmpp.{DOMAIN}.",
    )
    assert all(line.startswith("; ") for line in published[2:])  # what only the owner knows


def test_a_signed_zone_gets_the_tlsa_record_of_our_key() -> None:
    def tlsa(*values: str) -> tuple[str, ...]:
        asked = lookup("TLSA", "x", *values, signed=Signed.SECURE)
        signed = names(server(tlsa=asked), checks_signatures=True)
        return world_report(replace(GOOD, seen=domain(names=signed))).publish

    assert tlsa() == (f"_5269._tcp.xmpp.{DOMAIN}. 3600 IN TLSA 3 1 1 {KEY}",)
    assert tlsa(f"3 1 1 {KEY[:16]}...") == ()


def test_every_rule_is_made_of_findings_that_are_not_good_and_in_one_rule_only() -> None:
    ids = [id for rule in WORLD_RULES for id in rule.ids]
    assert len(ids) == len(set(ids))
    assert all(id.kind.level is not Severity.GOOD for id in ids)
    wrong = {id for id in FindingId if id.kind.level in (Severity.BROKEN, Severity.FLAW)}
    chapters = {"names", "connection", "TLS", "certificate", "negotiation"}
    assert {id for id in wrong if id.kind.chapter in chapters} <= set(ids)


def test_a_domain_that_is_its_own_server_needs_no_other_address() -> None:
    itself = names(server(DOMAIN), services=(lookup("SRV", f"_xmpp-server._tcp.{DOMAIN}", f"1 0 5269 {DOMAIN}"),))
    own = replace(GOOD, seen=domain(names=itself))
    assert world_report(own).publish == ()
    assert world_report(replace(own, ports=PORTS[:2])).publish == (
        f"_xmpps-server._tcp.{DOMAIN}. 3600 IN SRV 0 5 5270 {DOMAIN}.",
    )
