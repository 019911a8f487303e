"""`interop` finds exactly what is wrong with a server, on the right side, and nothing wrong with a good one."""

from __future__ import annotations

import json
import socket
import ssl
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from gateway.net.certificates.dane import association
from tests.interop.faulty import DIALBACK, FaultyServer, Manners
from tests.interop.fixtures import Starter
from tests.interop.inspections import USAGE
from tests.interop.names import ROOT
from tests.interop.peers import Peer, Prosody
from tests.interop.peers.site import SERVER
from tests.interop.world import World
from tests.support import forks
from tests.support.sockets import Swallower
from tests.support.throwaway_ca import Authority, self_signed

DAY = timedelta(days=1)
SECONDS = 120  # of a busy machine
GOOD = "good.report.test"


WITHOUT_FAULT = Manners()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How a domain is set up, and what is to be found, beside what a good server shows.

    `wrong` are the findings that somebody has to mend, by the side that is named; `notes` are others.
    """

    wrong: Mapping[str, str] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()
    manners: Manners = WITHOUT_FAULT
    certificate: Callable[[World, str], Path] = lambda world, domain: world.bundle(world.authority.issue(domain))
    records: Callable[[World, str, str], Mapping[str, Any]] = lambda world, domain, address: {}
    listens: bool = True


def srv(domain: str, *targets: str, service: str = "_xmpp-server") -> Mapping[str, Any]:
    return {f"{service}._tcp.{domain}": {"SRV": list(targets), "TTL": 0}}


def dead_host(world: World, domain: str, address: str) -> Mapping[str, Any]:
    targets = (f"10 0 {SERVER} {domain}", f"20 0 {SERVER} dead.{domain}")
    return {**srv(domain, *targets), f"dead.{domain}": {"A": [world.address()]}}


def alias(world: World, domain: str, address: str) -> Mapping[str, Any]:
    return {
        **srv(domain, f"10 0 {SERVER} alias.{domain}"),
        f"alias.{domain}": {"CNAME": f"real.{domain}"},
        f"real.{domain}": {"A": [address]},
    }


def homeless(world: World, domain: str, address: str) -> Mapping[str, Any]:
    return {
        **srv(domain, f"10 0 {SERVER} {domain}", f"20 0 {SERVER} nowhere.{domain}"),
        f"nowhere.{domain}": {"TXT": ["nothing"]},
    }


def wrong_tlsa(*, secure: bool, data: str = "") -> Callable[[World, str, str], Mapping[str, Any]]:
    def records(world: World, domain: str, address: str) -> Mapping[str, Any]:
        other = data or association(world.authority.issue(domain).certificate, 1, 1).hex()
        signed = {"SECURE": True, "TTL": 0}
        way = {domain: {"A": [address], **signed}} if secure else {}
        service = f"_xmpp-server._tcp.{domain}"
        if secure:
            way |= {service: {"SRV": [f"10 0 {SERVER} {domain}"], **signed}}
        return {**way, f"_{SERVER}._tcp.{domain}": {"TLSA": [f"3 1 1 {other}"], "SECURE": secure, "TTL": 0}}

    return records


def expired(world: World, domain: str) -> Path:
    yesterday = world.authority.moment - DAY
    return world.bundle(world.authority.issue(domain, begins=yesterday - 90 * DAY, ends=yesterday))


def future(world: World, domain: str) -> Path:
    return world.bundle(world.authority.issue(domain, begins=world.authority.moment + DAY))


def soon(world: World, domain: str) -> Path:
    return world.bundle(world.authority.issue(domain, ends=world.authority.moment + 3 * DAY))


def without_intermediate(world: World, domain: str) -> Path:
    issued = world.authority.intermediate().issue(domain)
    return world.bundle(replace(issued, chain=issued.chain[:1]))


def of_another_authority(world: World, domain: str) -> Path:
    other = Authority.create("Another authority")
    issued = other.issue(domain)
    return world.bundle(replace(issued, chain=(issued.certificate, other.certificate)))


TLS_1_0 = Manners(oldest=ssl.TLSVersion.TLSv1, newest=ssl.TLSVersion.TLSv1, ciphers="DEFAULT:@SECLEVEL=0")
WEAK = Manners(newest=ssl.TLSVersion.TLSv1_2, ciphers="ECDHE-ECDSA-AES128-SHA")
EXTERNAL = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
THEIRS = "theirs"
FAULTS = {
    "expired": Fault(wrong={"certificate-expired": THEIRS}, certificate=expired),
    "future": Fault(wrong={"certificate-not-yet-valid": THEIRS}, certificate=future),
    "soon": Fault(notes=frozenset({"certificate-expires-soon"}), certificate=soon),
    "othername": Fault(
        wrong={"certificate-wrong-name": THEIRS},
        certificate=lambda world, domain: world.bundle(world.authority.issue("other.test")),
    ),
    "selfsigned": Fault(
        wrong={"certificate-self-signed": THEIRS},
        certificate=lambda world, domain: world.bundle(self_signed(domain)),
    ),
    "incomplete": Fault(wrong={"chain-incomplete": THEIRS}, certificate=without_intermediate),
    "private": Fault(wrong={"authority-unknown": THEIRS}, certificate=of_another_authority),
    "halfdead": Fault(wrong={"server-dead": THEIRS}, records=dead_host),
    "alias": Fault(wrong={"srv-alias": THEIRS}, records=alias),
    "homeless": Fault(wrong={"server-without-address": THEIRS}, records=homeless),
    "plain": Fault(wrong={"no-starttls": THEIRS}, manners=Manners(starttls=False)),
    "oldtls": Fault(wrong={"tls-old": THEIRS}, manners=TLS_1_0),
    "weak": Fault(wrong={"tls-weak": THEIRS}, notes=frozenset({"no-tls-1.3"}), manners=WEAK),
    "wrongtlsa": Fault(wrong={"tlsa-mismatch": THEIRS}, records=wrong_tlsa(secure=True)),
    "unusabletlsa": Fault(wrong={"tlsa-unusable": THEIRS}, records=wrong_tlsa(secure=True, data="abcd")),
    "unsignedtlsa": Fault(wrong={"tlsa-unsigned": THEIRS}, records=wrong_tlsa(secure=False)),
    "mute": Fault(wrong={"verify-unanswered": THEIRS}, manners=Manners(verify=None)),
    "gullible": Fault(wrong={"verifies-anything": THEIRS}, manners=Manners(verify="valid")),
    "credulous": Fault(wrong={"believes-anybody": THEIRS}, manners=Manners(claim="valid")),
    "earlysasl": Fault(wrong={"sasl-before-tls": THEIRS}, manners=Manners(more_features=EXTERNAL)),
    "twicetls": Fault(
        wrong={"starttls-again": THEIRS},
        manners=Manners(tls_features=f"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>{DIALBACK}"),
    ),
    "nodialback": Fault(notes=frozenset({"no-dialback"}), manners=Manners(tls_features="", verify=None)),
    "confused": Fault(wrong={"header-from": THEIRS}, manners=Manners(from_="elsewhere.test")),
    "noid": Fault(wrong={"no-stream-id": THEIRS}, manners=Manners(id="")),
    "ancient": Fault(wrong={"no-version": THEIRS}, manners=Manners(version="", features=False)),
    "ssh": Fault(wrong={"not-xmpp": THEIRS}, manners=Manners(greeting=b"SSH-2.0-OpenSSH_9.2\r\n")),
    "hanging": Fault(wrong={"no-features": THEIRS}, manners=Manners(features=False)),
    "dripping": Fault(wrong={"no-features": THEIRS}, manners=Manners(drip=True)),
    "flooding": Fault(wrong={"no-features": THEIRS}, manners=Manners(flood=b"<a>" * 1000)),
    "nodirect": Fault(
        wrong={"tls-failed": THEIRS},
        records=lambda world, domain, address: srv(domain, f"5 0 {SERVER} {domain}", service="_xmpps-server"),
    ),
    "closed": Fault(wrong={"unreachable": THEIRS}, listens=False),
    "denied": Fault(
        wrong={"no-service": THEIRS}, records=lambda world, domain, address: srv(domain, "0 0 0 ."), listens=False
    ),
    "servfail": Fault(
        wrong={"dns-silent": "resolver"},
        records=lambda world, domain, address: {domain: "SERVFAIL"},
        listens=False,
    ),
    "bogus": Fault(
        wrong={"dns-bogus": THEIRS},
        records=lambda world, domain, address: {f"_xmpp-server._tcp.{domain}": "BOGUS", domain: "BOGUS"},
        listens=False,
    ),
    "nosrv": Fault(
        wrong={"unreachable": THEIRS},  # on the port of the convention
        notes=frozenset({"no-srv"}),
        records=lambda world, domain, address: {f"_xmpp-server._tcp.{domain}": {"TXT": [""]}},
        listens=False,
    ),
}
USUAL_NOTES = {"no-ipv6", "no-bidi"}


def domain_of(name: str) -> str:
    return f"{name}.report.test"


def config(world: World, folder: Path, **dns: Any) -> Path:
    """A configuration that trusts the authority of this world and asks its nameserver."""
    names = world.nameserver.names
    file = folder / "look.toml"
    settings = {
        "gateway": {"state": str(folder / "state")},
        "tls": {"authorities": str(world.authorities)},
        "dns": {
            "nameservers": [f"{names.address}:{names.port}"],
            "allow_networks": ["127.0.0.0/8"],
            "hosts_file": "/dev/null",
            **dns,
        },
        "domains": {"ours.report.test": {"serve": "gateway.handlers.echo.Echo"}},
    }
    file.write_text(tomli_w.dumps(settings))
    return file


def inspected(file: Path, *domains: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.interop.inspections", str(file), *domains]
    done = forks.run(command, folder=ROOT, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))  # and its use of the machine, at USAGE


def ids(report: Mapping[str, Any], *levels: str) -> set[str]:
    return {each["id"] for each in report["findings"] if each["level"] in levels}


@pytest.fixture(scope="module")
def reports(
    world: World, prosody: Peer, ejabberd: Peer, jabberd2: Peer, gateway: Peer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Any]]:
    """The reports on all the faulty domains, and on a good one."""
    with ExitStack() as stack:
        start = Starter(world, stack)
        names = {name: domain_of(name) for name in FAULTS}
        for name, fault in {**FAULTS, "good": Fault()}.items():
            domain, address = domain_of(name), world.address()
            stack.callback(world.nameserver.withdraw, domain)
            world.nameserver.publish_records(
                {
                    domain: {"A": [address], "TTL": 0},
                    **srv(domain, f"10 0 {SERVER} {domain}"),
                    **fault.records(world, domain, address),
                }
            )
            if fault.listens:
                manners = replace(fault.manners, certificate=fault.certificate(world, domain))
                stack.enter_context(FaultyServer(address, domain, manners))
        swallowed = world.address()
        stack.enter_context(Swallower(swallowed, SERVER))
        world.nameserver.publish_records(
            {
                "swallowed.report.test": {"A": [swallowed]},
                **srv("swallowed.report.test", f"1 0 {SERVER} swallowed.report.test"),
            }
        )
        closed = start(Prosody, "closed.prosody.test", dialback=False)
        world.nameserver.publish_records(
            {
                "stranger.report.test": {"A": [closed.address]},
                **srv("stranger.report.test", f"1 0 {SERVER} stranger.report.test"),
            }
        )
        more = ["swallowed.report.test", "stranger.report.test", "closed.prosody.test", "nowhere.report.test"]
        more += [server.site.domains[0] for server in (prosody, ejabberd, jabberd2, gateway)]
        yield inspected(config(world, tmp_path_factory.mktemp("look")), GOOD, *names.values(), *more)


def test_a_server_without_fault_is_not_blamed(reports: dict[str, Any]) -> None:
    report = reports[GOOD]
    assert ids(report, "broken", "flaw") == set()
    assert ids(report, "note") == USUAL_NOTES
    assert report["well"]


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_gives_exactly_its_finding(reports: dict[str, Any], name: str) -> None:
    fault, report = FAULTS[name], reports[domain_of(name)]
    found = {each["id"]: each for each in report["findings"] if each["level"] in ("broken", "flaw")}
    assert set(found) == set(fault.wrong), report["findings"]
    for id, side in fault.wrong.items():
        assert side in found[id]["side"]
    if fault.listens:
        assert ids(report, "note") - USUAL_NOTES == fault.notes, report["findings"]


def test_an_address_that_swallows_connections_is_told_from_one_that_refuses(reports: dict[str, Any]) -> None:
    told = {
        domain: [each["observed"] for each in reports[domain]["findings"] if each["id"] == "unreachable"]
        for domain in ("swallowed.report.test", domain_of("closed"))
    }
    assert "timed out" in told["swallowed.report.test"][0]
    assert "refused" in told[domain_of("closed")][0]


def test_a_server_that_does_not_serve_the_domain_is_told(reports: dict[str, Any]) -> None:
    assert ids(reports["stranger.report.test"], "broken", "flaw") == {"host-unknown"}


def test_a_prosody_without_dialback_has_chosen_that(reports: dict[str, Any]) -> None:
    report = reports["closed.prosody.test"]
    assert ids(report, "broken", "flaw") == set(), json.dumps(report["facts"]["endpoints"])
    assert "needs-certificate" in ids(report, "note")


def test_a_name_that_does_not_exist_is_told(reports: dict[str, Any]) -> None:
    assert ids(reports["nowhere.report.test"], "broken", "flaw", "note") == {"no-such-domain"}


def test_nameservers_that_disagree_are_told(world: World, tmp_path: Path) -> None:
    other = world.view()
    domain, name = "split.report.test", "_xmpp-server._tcp.split.report.test"
    for nameserver, target in ((world.nameserver, "one"), (other, "two")):
        nameserver.publish_records({name: {"SRV": [f"1 0 {SERVER} {target}.report.test"], "TTL": 0}})
    both = [f"{each.names.address}:{each.names.port}" for each in (world.nameserver, other)]
    report = inspected(config(world, tmp_path, nameservers=both), domain)[domain]
    (found,) = [each for each in report["findings"] if each["id"] == "answers-differ"]
    assert "one.report.test" in found["observed"]
    assert "two.report.test" in found["observed"]


def test_ipv6_that_is_published_and_dead_is_told(world: World, tmp_path: Path) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no ::1")
    domain, address = "six.report.test", world.address()
    world.nameserver.publish_records(
        {domain: {"A": [address], "AAAA": ["::1"], "TTL": 0}, **srv(domain, f"1 0 {SERVER} {domain}")}
    )
    bundle = world.bundle(world.authority.issue(domain))
    with FaultyServer(address, domain, Manners(certificate=bundle)):
        allowed = ["127.0.0.0/8", "::1/128"]
        report = inspected(config(world, tmp_path, allow_networks=allowed), domain)[domain]
    assert ids(report, "broken", "flaw") == {"ipv6-dead"}


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


COMMAND = Path(sys.executable).with_name("xmpp-gateway")


@pytest.mark.parametrize("kind", ["prosody", "ejabberd", "jabberd2", "gateway"])
def test_real_servers_are_not_blamed(reports: dict[str, Any], request: pytest.FixtureRequest, kind: str) -> None:
    report = reports[request.getfixturevalue(kind).site.domains[0]]
    assert ids(report, "broken", "flaw") == set(), report["findings"]
    assert {"reachable", "tls-good", "certificate-good", "stream-opened", "dialback-good"} <= ids(report, "good")


def test_the_command_prints_the_same_for_programs(
    world: World, prosody: Peer, reports: dict[str, Any], tmp_path: Path
) -> None:
    domain = prosody.site.domains[0]
    command = [COMMAND, "interop", "--json", "--config", config(world, tmp_path), domain]
    done = forks.run(command, timeout=SECONDS)
    report = json.loads(done.stdout)
    assert (done.returncode, report["well"], report["seen_as"]) == (0, True, "interop.invalid")
    assert "service-not-asked" in ids(report, "note")
    mine = [each for each in report["findings"] if each["chapter"] != "both ways"]
    assert mine == reports[domain]["findings"]  # the same input gives the same report

    earlier, page = tmp_path / "earlier.json", tmp_path / "page.html"
    earlier.write_text(done.stdout)
    people = [word for word in command if word != "--json"]
    done = forks.run([*people, "--compare", earlier, "--html", page], timeout=SECONDS)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing has changed since the earlier report")
    assert "... connecting to" in done.stderr
    assert all(each["title"] in page.read_text() for each in report["findings"])


FLOODS = {
    "text": Manners(greeting=b"<?xml version='1.0'?>" + b"a" * 50_000_000),
    "tags": Manners(flood=b"<a>" * 10_000),
    "attributes": Manners(flood=b"<a " + b" ".join(b"a%d='b'" % number for number in range(10_000))),
    "features": Manners(flood=b"<stream:features>" + b"<a xmlns='b'/>" * 10_000),
    "spaces": Manners(flood=b" " * 100_000),
    "intls": Manners(flood_in_tls=b"<stream:features>" + b"<a xmlns='b'/>" * 10_000),
    "longtls": Manners(flood_in_tls=b"a" * 100_000),
}
MOST_MORE_KB = 24_000


def test_a_server_that_sends_without_end_takes_neither_memory_nor_time(world: World, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for name, manners in {"polite": Manners(), **FLOODS}.items():
            domain, address = f"{name}.flood.test", world.address()
            stack.callback(world.nameserver.withdraw, domain)
            world.nameserver.publish(address, domain)
            bundle = world.bundle(world.authority.issue(domain))
            stack.enter_context(FaultyServer(address, domain, replace(manners, certificate=bundle)))
        file = config(world, tmp_path)
        polite = inspected(file, "polite.flood.test")
        floods = inspected(file, *(f"{name}.flood.test" for name in FLOODS))
    usage = floods.pop(USAGE)
    assert usage["peak_kb"] < polite[USAGE]["peak_kb"] + MOST_MORE_KB
    assert usage["seconds"] < 60
    assert all(not report["well"] for report in floods.values())
