"""From a domain to its targets."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.net.dns.destinations import Destinations
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.target_search import Patience
from gateway.net.dns.targets import Resolution, Target
from gateway.xmpp.errors import ResolutionFailed
from tests.support.dns import NameServer, Table
from tests.support.reactor import run_in_reactor, running_reactor

STARTTLS = "_xmpp-server._tcp.example.test"
DIRECT = "_xmpps-server._tcp.example.test"
NO_SERVICE = {"SRV": ["0 0 0 ."]}
HERE = {"A": ["192.0.2.1"]}


class Finding:
    """A resolver over a table, with a clock and its own hosts file."""

    def __init__(self, records: dict[str, Any], hosts: Path | None = None, patience: Patience = Patience()) -> None:
        self.clock = Clock()
        self.table = Table(records)
        hosts_file = str(hosts) if hosts else "/dev/null"
        self.resolver = Resolver(
            self.clock, hosts_file=hosts_file, patience=patience, random=Random(6120), asks=self.table
        )

    def start(self, domain: str = "example.test", **options: Any) -> list[Any]:
        """Begin to resolve; the list takes the result."""
        results: list[Any] = []
        self.resolving = Deferred.fromCoroutine(self.resolver.resolve(domain, **options)).addBoth(results.append)
        return results

    def resolution(self, domain: str = "example.test", **options: Any) -> Resolution:
        result = self.start(domain, **options)[0]
        return result.raiseException() if isinstance(result, Failure) else result

    def failure(self, domain: str = "example.test", **options: Any) -> ResolutionFailed:
        with pytest.raises(ResolutionFailed) as failure:
            self.resolution(domain, **options)
        return failure.value


def find(records: dict[str, Any], domain: str = "example.test", **options: Any) -> list[tuple[Any, ...]]:
    """The targets of the domain, in short."""
    targets = Finding(records).resolution(domain, **options).targets
    return [(each.host, each.port, each.tls, each.addresses, each.source) for each in targets]


def servers(*names: str) -> dict[str, Any]:
    return {f"{name}.example.test": {"A": [f"192.0.2.{number}"]} for number, name in enumerate(names, 1)}


def test_both_services_are_mixed_into_one_list() -> None:
    records = {
        STARTTLS: {"SRV": ["10 0 5269 a.example.test", "30 0 5269 c.example.test"]},
        DIRECT: {"SRV": ["20 0 443 b.example.test"]},
        **servers("a", "b", "c"),
    }
    assert find(records) == [
        ("a.example.test", 5269, "starttls", ("192.0.2.1",), "srv"),
        ("b.example.test", 443, "direct", ("192.0.2.2",), "srv"),
        ("c.example.test", 5269, "starttls", ("192.0.2.3",), "srv"),
    ]


def test_one_server_may_offer_both_kinds_of_tls() -> None:
    records = {
        STARTTLS: {"SRV": ["20 0 5269 a.example.test"]},
        DIRECT: {"SRV": ["10 0 5270 a.example.test"]},
        **servers("a"),
    }
    finding = Finding(records)
    assert [(each.port, each.tls) for each in finding.resolution().targets] == [(5270, "direct"), (5269, "starttls")]
    assert finding.table.asked.count("A a.example.test") == 1


def test_server_that_is_named_twice_is_one_target() -> None:
    records = {STARTTLS: {"SRV": ["10 1 5269 a.example.test", "10 2 5269 A.example.test"]}, **servers("a")}
    assert len(find(records)) == 1


def test_direct_service_is_not_asked_for_when_it_is_not_wanted() -> None:
    finding = Finding({DIRECT: {"SRV": ["10 0 5270 a.example.test"]}, "example.test": HERE, **servers("a")})
    assert [each.tls for each in finding.resolution(direct_tls=False).targets] == ["starttls"]
    assert f"SRV {DIRECT}" not in finding.table.asked


def test_without_service_records_the_domain_itself_is_the_server() -> None:
    assert find({"example.test": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]}}) == [
        ("example.test", 5269, "starttls", ("2001:db8::1", "192.0.2.1"), "fallback")
    ]


def test_domain_with_service_records_is_not_itself_a_server() -> None:
    finding = Finding({STARTTLS: {"SRV": ["0 0 5269 a.example.test"]}, "example.test": HERE})
    assert finding.failure().permanent
    assert "A example.test" not in finding.table.asked


@pytest.mark.parametrize(
    "records",
    [{STARTTLS: NO_SERVICE, DIRECT: NO_SERVICE}, {STARTTLS: NO_SERVICE}, {DIRECT: NO_SERVICE}],
    ids=["both", "only STARTTLS is named", "only direct TLS is named"],
)
def test_service_that_is_decidedly_not_there_leaves_no_fallback(records: dict[str, Any]) -> None:
    finding = Finding({**records, "example.test": HERE})
    failure = finding.failure()
    assert (failure.sentence, failure.permanent) == (
        "example.test says that it has no XMPP service (SRV target '.')",
        True,
    )
    assert "A example.test" not in finding.table.asked


@pytest.mark.parametrize(
    ("absent", "present", "tls"),
    [(STARTTLS, DIRECT, "direct"), (DIRECT, STARTTLS, "starttls")],
    ids=["STARTTLS", "direct"],
)
def test_service_that_is_decidedly_not_there_leaves_the_other(absent: str, present: str, tls: str) -> None:
    records = {absent: NO_SERVICE, present: {"SRV": ["0 0 5269 a.example.test"]}, **servers("a")}
    assert [each[2] for each in find(records)] == [tls]


def test_service_that_is_not_there_beside_one_that_was_not_answered_is_no_verdict() -> None:
    failure = Finding({DIRECT: NO_SERVICE, STARTTLS: "SILENT", "example.test": HERE}).failure()
    assert not failure.permanent


def test_server_without_an_address_is_left_out() -> None:
    records = {STARTTLS: {"SRV": ["1 0 5269 gone.example.test", "2 0 5269 a.example.test"]}, **servers("a")}
    assert [each[0] for each in find(records)] == ["a.example.test"]


def test_no_such_domain_is_permanent_and_tells_what_was_asked() -> None:
    failure = Finding({}).failure()
    assert failure.permanent
    assert failure.sentence == "there is no address for example.test"
    assert failure.steps == (
        f"SRV {DIRECT}: no such name",
        f"SRV {STARTTLS}: no such name",
        "example.test itself and port 5269, because no service record is known",
        "AAAA example.test: no such name",
        "A example.test: no such name",
    )


@pytest.mark.parametrize(
    "records",
    [
        {"example.test": "SILENT"},
        {"example.test": "SERVFAIL"},
        {"example.test": {"A": "SERVFAIL"}},
        {"example.test": {"AAAA": "SILENT"}},
        {STARTTLS: {"SRV": ["0 0 5269 a.example.test"]}, "a.example.test": "SERVFAIL"},
        {STARTTLS: "SILENT"},
    ],
    ids=["silence", "failure", "A fails", "AAAA silent", "server's address fails", "SRV silent, no address"],
)
def test_what_was_not_answered_is_not_permanent(records: dict[str, Any]) -> None:
    assert not Finding(records).failure().permanent


def test_silence_about_services_falls_back_to_the_domain() -> None:
    assert [each[4] for each in find({DIRECT: "SILENT", STARTTLS: "SILENT", "example.test": HERE})] == ["fallback"]


def test_failure_about_services_falls_back_to_the_domain_without_being_definite() -> None:
    resolution = Finding({STARTTLS: "SERVFAIL", "example.test": HERE}).resolution()
    assert [target.source for target in resolution.targets] == ["fallback"]
    assert not resolution.definite


def test_hosts_file_goes_before_the_dns_and_after_service_records(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 Example.test a.example.test\n::1 example.test\n")
    own = Finding({"example.test": HERE}, hosts)
    assert own.resolution().targets[0].addresses == ("::1", "127.0.0.2")
    assert own.resolution().steps[-1] == "example.test: ::1, 127.0.0.2 in the hosts file"
    assert "A example.test" not in own.table.asked
    named = Finding({STARTTLS: {"SRV": ["0 0 5299 a.example.test"]}}, hosts)
    assert [(each.port, each.addresses) for each in named.resolution().targets] == [(5299, ("127.0.0.2",))]


@pytest.mark.parametrize("fault", ["SERVFAIL", "SILENT", "NXDOMAIN"])
def test_domain_in_the_hosts_file_needs_no_dns(tmp_path: Path, fault: str) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 example.test\n")
    assert Finding({"test": fault}, hosts).resolution().targets[0].addresses == ("127.0.0.2",)


def test_change_of_the_hosts_file_is_seen_at_once(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.2 example.test\n")
    finding = Finding({}, hosts)
    finding.resolution()
    hosts.write_text("127.0.0.33 example.test\n")
    assert finding.resolution().targets[0].addresses == ("127.0.0.33",)


@pytest.mark.parametrize(("domain", "address"), [("192.0.2.7", "192.0.2.7"), ("[2001:db8::7]", "2001:db8::7")])
def test_domain_that_is_an_address_is_not_looked_up(domain: str, address: str) -> None:
    finding = Finding({})
    assert finding.resolution(domain).targets == (
        Target(host=address, port=5269, tls="starttls", addresses=(address,), source="literal"),
    )
    assert finding.table.asked == []


def test_configured_address_takes_the_place_of_the_dns() -> None:
    finding = Finding({"example.test": HERE})
    resolution = finding.resolution(connect="tls:127.0.0.2:5270")
    assert resolution.targets == (
        Target(host="127.0.0.2", port=5270, tls="direct", addresses=("127.0.0.2",), source="configured"),
    )
    assert resolution.steps == ("example.test is configured to be at tls:127.0.0.2:5270",)
    assert finding.table.asked == []


def test_configured_host_name_is_looked_up_without_services() -> None:
    finding = Finding({"inside.test": HERE})
    assert finding.resolution(connect="tcp:inside.test:5299").targets[0].addresses == ("192.0.2.1",)
    assert finding.table.asked == ["AAAA inside.test", "A inside.test"]


def test_configured_host_without_an_address_fails() -> None:
    failure = Finding({}).failure(connect="tcp:inside.test:5299")
    assert (failure.sentence, failure.permanent) == ("there is no address for the configured server", True)


def test_internationalised_domain_is_asked_for_in_a_labels() -> None:
    finding = Finding({"xn--bcher-kva.test": HERE})
    resolution = finding.resolution("bücher.test")
    assert (resolution.domain, resolution.targets[0].host) == ("bücher.test", "xn--bcher-kva.test")
    assert "SRV _xmpp-server._tcp.xn--bcher-kva.test" in finding.table.asked


def test_domain_that_is_no_dns_name_is_not_asked_for() -> None:
    finding = Finding({})
    assert finding.failure(f"{'x' * 64}.test").permanent
    assert finding.table.asked == []


def test_number_of_servers_and_addresses_is_bounded() -> None:
    many = [f"192.0.2.{number}" for number in range(1, 20)]
    names = [f"s{number}" for number in range(20)]
    records = {STARTTLS: {"SRV": [f"{number} 0 5269 {name}.example.test" for number, name in enumerate(names)]}}
    records |= {f"{name}.example.test": {"A": many} for name in names}
    resolution = Finding(records, patience=Patience(targets=3, addresses=4)).resolution()
    assert [each.host for each in resolution.targets] == ["s0.example.test", "s1.example.test", "s2.example.test"]
    assert {len(each.addresses) for each in resolution.targets} == {4}
    assert "only 3 of the 20 servers are considered" in resolution.steps


def test_steps_are_told_as_they_are_taken() -> None:
    told: list[str] = []
    resolution = Finding({"example.test": HERE}).resolution(note=told.append)
    assert tuple(told) == resolution.steps


def test_addresses_of_one_family_do_not_wait_long_for_the_other() -> None:
    finding = Finding({"example.test": {"A": ["192.0.2.1"], "AAAA": ["::1"]}})
    results = _until_addresses(finding)
    finding.table.held[1].callback(None)  # A
    assert results == []
    finding.clock.advance(1)
    assert results[0].targets[0].addresses == ("192.0.2.1",)
    assert results[0].steps[-2:] == ("AAAA example.test: no answer within 1.0 s", "A example.test: 192.0.2.1")


def test_absence_of_one_family_does_not_hurry_the_other() -> None:
    finding = Finding({"example.test": {"AAAA": ["::1"]}})
    results = _until_addresses(finding)
    finding.table.held[1].callback(None)  # A: none
    finding.clock.advance(5)
    finding.table.held[0].callback(None)  # AAAA
    assert results[0].targets[0].addresses == ("::1",)


def test_whole_search_ends_in_time() -> None:
    finding = Finding({"example.test": HERE})
    finding.table.held = []
    results = finding.start()
    finding.clock.advance(12)
    assert results == []
    finding.clock.advance(8)
    results[0].trap(ResolutionFailed)
    assert not results[0].value.permanent
    assert f"SRV {STARTTLS}: no answer within 12.0 s" in results[0].value.steps
    assert "A example.test: no answer within 8.0 s" in results[0].value.steps
    assert finding.clock.getDelayedCalls() == []


@pytest.mark.parametrize("waiting_for", ["services", "addresses"])
def test_search_can_be_cancelled_at_any_time(waiting_for: str) -> None:
    finding = Finding({"example.test": HERE})
    finding.table.held = []
    results = finding.start() if waiting_for == "services" else _until_addresses(finding)
    finding.resolving.cancel()
    results[0].trap(CancelledError)
    assert finding.clock.getDelayedCalls() == []


def test_second_search_asks_nothing_again_until_it_is_told_to_forget() -> None:
    finding = Finding({"example.test": HERE})
    finding.resolution()
    first = len(finding.table.asked)
    assert all("known from before" in step for step in finding.resolution().steps if step.startswith(("SRV", "A")))
    assert len(finding.table.asked) == first
    finding.resolver.forget()
    finding.resolution()
    assert len(finding.table.asked) == 2 * first


def test_concurrent_searches_share_their_questions() -> None:
    finding = Finding({"example.test": HERE})
    finding.table.held = []
    first, second = finding.start(), finding.start()
    while finding.table.held:
        finding.table.held.pop(0).callback(None)
    assert first[0].targets == second[0].targets != ()
    assert len(finding.table.asked) == 4


@pytest.mark.parametrize("nameserver", ["dns.example.com", "127.0.0.1:0"])
def test_wrong_nameserver_is_refused_at_once(nameserver: str) -> None:
    with pytest.raises(ValueError, match=r"is not a nameserver|has no usable port"):
        Resolver(Clock(), [nameserver])


def test_real_nameserver_leads_to_the_same_targets() -> None:
    server = NameServer(
        {
            STARTTLS: {"SRV": ["10 0 5269 a.example.test"]},
            DIRECT: {"SRV": ["5 0 5270 b.example.test"], "TRUNCATED": True},
            "a.example.test": {"CNAME": "c.example.test"},
            "b.example.test": {"AAAA": ["::1"]},
            "c.example.test": {"A": ["127.0.0.2"], "AAAA": ["::1"]},
        }
    )

    async def scenario() -> Resolution:
        await server.start(running_reactor())
        try:
            resolver = Resolver(running_reactor(), [server.address], hosts_file="/dev/null")
            return await resolver.resolve("example.test")
        finally:
            await server.stop()

    assert run_in_reactor(scenario).targets == (
        Target(host="b.example.test", port=5270, tls="direct", addresses=("::1",), source="srv"),
        Target(host="a.example.test", port=5269, tls="starttls", addresses=("::1", "127.0.0.2"), source="srv"),
    )


def _until_addresses(finding: Finding) -> list[Any]:
    """Begin to resolve, have the services answered, and hold the questions for AAAA and A."""
    finding.table.held = services = []
    results = finding.start()
    finding.table.held = []
    for held in services:
        held.callback(None)
    return results


def test_where_no_server_can_be_is_no_target() -> None:
    records = {
        STARTTLS: {"SRV": ["10 0 5269 a.example.test", "20 0 5269 b.example.test"]},
        "a.example.test": {"A": ["255.255.255.255"], "AAAA": ["::ffff:0.0.0.0"]},
        "b.example.test": {"A": ["240.0.0.1", "192.0.2.2"]},
    }
    assert find(records) == [("b.example.test", 5269, "starttls", ("192.0.2.2",), "srv")]


@pytest.mark.parametrize("domain", ["0.0.0.0", "[::]", "[::ffff:0.0.0.0]", "255.255.255.255"])
def test_a_domain_that_is_an_address_without_a_server_is_not_dialled(domain: str) -> None:
    failure = Finding({}).failure(domain)
    assert failure.permanent
    assert "is not dialled: no server can be at" in "; ".join(failure.steps)


def test_refused_networks_concern_the_dns_and_the_hosts_file_but_not_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    finding = Finding({STARTTLS: {"SRV": ["10 0 22 localhost"]}}, tmp_path / "hosts")
    finding.resolver._destinations = Destinations([ip_network("127.0.0.0/8")])
    failure = finding.failure()
    assert failure.steps[-1] == "127.0.0.1:22, which is not dialled: 127.0.0.0/8 is refused ([dns] refuse_networks)"
    assert finding.resolution(connect="tcp:127.0.0.1:5269").targets[0].addresses == ("127.0.0.1",)


# -- DNSSEC and TLSA (RFC 7673) ----------------------------------------------------------------------------------------

KEY = "3 1 1 " + "ab" * 32
SIGNED = {
    STARTTLS: {"SRV": ["10 0 5269 a.example.test"], "SECURE": True},
    DIRECT: {"SECURE": True},
    "a.example.test": {"A": ["192.0.2.1"], "SECURE": True},
    "_5269._tcp.a.example.test": {"TLSA": [KEY], "SECURE": True},
}


def tlsa_of(records: dict[str, Any], **options: Any) -> list[tuple[str, str | None]]:
    """The hosts that are left, and what is known of each server's certificates."""
    targets = Finding(records).resolution(dane=True, **options).targets
    return [(each.host, " ".join(map(str, each.tlsa.records)) if each.tlsa else None) for each in targets]


def test_tlsa_records_are_found_where_all_is_signed() -> None:
    (target,) = Finding(SIGNED).resolution(dane=True).targets
    assert target.tlsa is not None
    assert target.tlsa.name == "_5269._tcp.a.example.test"
    assert target.tlsa.hosts == ("example.test", "a.example.test")
    assert [record.parameters for record in target.tlsa.usable] == ["3 1 1"]


@pytest.mark.parametrize("unsigned", [STARTTLS, "a.example.test", "_5269._tcp.a.example.test"])
def test_tlsa_records_do_not_count_where_a_step_is_not_signed(unsigned: str) -> None:
    records = {**SIGNED, unsigned: {**SIGNED[unsigned], "SECURE": False}}
    assert tlsa_of(records) == [("a.example.test", None)]


def test_tlsa_records_are_not_asked_for_unless_all_is_signed_and_they_are_wanted() -> None:
    for records, dane in ((SIGNED, False), ({**SIGNED, STARTTLS: {"SRV": ["10 0 5269 a.example.test"]}}, True)):
        finding = Finding(records)
        finding.resolution(dane=dane)
        assert not [question for question in finding.table.asked if question.startswith("TLSA")]
    finding = Finding(SIGNED)
    finding.resolution(dane=True)
    assert [question for question in finding.table.asked if question.startswith("TLSA")] == [
        "TLSA _5269._tcp.a.example.test"
    ]


@pytest.mark.parametrize("fault", ["BOGUS", "SERVFAIL", "SILENT"])
def test_a_server_whose_tlsa_records_cannot_be_had_is_left_out(fault: str) -> None:
    two = {STARTTLS: {"SRV": ["10 0 5269 a.example.test", "20 0 5269 b.example.test"], "SECURE": True}}
    records = {
        **SIGNED,
        **two,
        "b.example.test": {"A": ["192.0.2.2"], "SECURE": True},
        "_5269._tcp.a.example.test": fault,
    }
    finding = Finding(records)
    resolution = finding.resolution(dane=True)
    assert [target.host for target in resolution.targets] == ["b.example.test"]
    assert any("a.example.test port 5269 is left out" in step for step in resolution.steps)


def test_a_domain_whose_only_server_is_left_out_fails_for_now() -> None:
    failure = Finding({**SIGNED, "_5269._tcp.a.example.test": "BOGUS"}).failure(dane=True)
    assert not failure.permanent
    assert "TLSA records cannot be obtained" in failure.sentence


def test_bogus_service_records_do_not_lead_to_the_domain_itself() -> None:
    records = {"example.test": HERE, STARTTLS: "BOGUS", DIRECT: "NXDOMAIN"}
    failure = Finding(records).failure()
    assert not failure.permanent
    assert "bogus" in failure.sentence
    assert find({**records, STARTTLS: "SERVFAIL"}) != []  # which may only mean that a nameserver is down


def test_bogus_addresses_are_never_used() -> None:
    two = {STARTTLS: {"SRV": ["10 0 5269 a.example.test", "20 0 5269 b.example.test"]}, "b.example.test": HERE}
    assert [host for host, *_ in find({**two, "a.example.test": "BOGUS"})] == ["b.example.test"]


def test_tlsa_records_of_an_alias_are_found_where_it_leads_while_all_is_signed() -> None:
    records = {
        **SIGNED,
        "a.example.test": {"CNAME": "host.example.net", "SECURE": True},
        "host.example.net": {"A": ["192.0.2.1"], "SECURE": True},
        "_5269._tcp.host.example.net": {"TLSA": ["2 0 1 " + "cd" * 32], "SECURE": True},
    }
    assert tlsa_of(records) == [("a.example.test", "2 0 1 cdcdcdcdcdcdcdcd...")]
    del records["_5269._tcp.host.example.net"]
    assert tlsa_of(records) == [("a.example.test", "3 1 1 abababababababab...")]


def test_a_proved_absence_leads_to_the_tlsa_records_of_the_domain_itself() -> None:
    records = {
        STARTTLS: {"SECURE": True},
        DIRECT: {"SECURE": True},
        "example.test": {**HERE, "SECURE": True},
        "_5269._tcp.example.test": {"TLSA": [KEY], "SECURE": True},
    }
    assert tlsa_of(records) == [("example.test", "3 1 1 abababababababab...")]
    assert tlsa_of({**records, DIRECT: {}}) == [("example.test", None)]


def test_the_steps_say_what_dnssec_proves() -> None:
    steps = Finding(SIGNED).resolution(dane=True).steps
    assert f"SRV {STARTTLS}: 1 record (DNSSEC)" in steps
    assert "TLSA _5269._tcp.a.example.test: 3 1 1 abababababababab... (DNSSEC)" in steps
