"""`check --world` on the wire: all green, then one thing after another goes wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import CLIENT, CLIENT_TLS, SERVER
from tests.interop.world import World
from tests.support import forks

COMMAND = Path(sys.executable).with_name("xmpp-gateway")
SECONDS = 120  # of a busy machine
OURS = "world.test"


def ended(world: World, gateway: Peer, *words: str, authorities: Path | None = None) -> CompletedProcess[str]:
    """The command has ended; the system trusts the authority of this world unless told otherwise."""
    assert isinstance(gateway, Gateway)
    command = [COMMAND, "check", "--world", *words, "--config", gateway.configuration]
    system = {"SSL_CERT_FILE": str(authorities or world.authorities), "SSL_CERT_DIR": "/nonexistent"}
    return forks.run(command, environment=system, timeout=SECONDS)


def look(world: World, gateway: Peer, *, authorities: Path | None = None) -> tuple[int, dict[str, Any]]:
    """The exit status and the report."""
    done = ended(world, gateway, "--json", authorities=authorities)
    assert done.stdout, done.stderr
    (domain,) = json.loads(done.stdout)["domains"]
    return done.returncode, domain


def red(domain: dict[str, Any]) -> dict[str, set[str]]:
    return {
        each["rule"]: {found["id"] for found in each["findings"] if found["level"] in ("broken", "flaw")}
        for each in domain["rules"]
        if each["state"] == "red"
    }


def test_our_domain_is_green_until_something_breaks(world: World, start: Starter, tmp_path: Path) -> None:
    gateway = start(Gateway, OURS, direct_tls=True)
    status, domain = look(world, gateway)
    assert (status, red(domain), domain["publish"]) == (0, {}, []), domain

    other = tmp_path / "other.pem"
    type(world.authority).create("Another authority").save(other)
    status, domain = look(world, gateway, authorities=other)  # the configuration trusts it, the system does not
    assert (status, red(domain)) == (4, {"chain": {"chain-incomplete"}})

    world.nameserver.publish_records({f"_xmpps-server._tcp.{OURS}": {"SRV": ["0 0 0 ."], "TTL": 0}})
    elsewhere = start(Prosody, "elsewhere.test")
    name = f"_xmpp-server._tcp.{OURS}"
    world.nameserver.publish_records({name: {"SRV": [f"1 0 {SERVER} elsewhere.test"], "TTL": 0}})
    status, domain = look(world, gateway)
    assert status == 4
    assert "host-unknown" in red(domain)["leads here"], domain

    elsewhere.stop()
    status, domain = look(world, gateway)
    assert red(domain) == {"ports for servers": {"unreachable"}}
    assert {each["state"] for each in domain["rules"] if each["rule"] in ("chain", "names", "days")} == {"unknown"}


def test_clients_are_led_to_ports_that_are_open(world: World, start: Starter) -> None:
    domain = "people.world.test"
    gateway = start(Gateway, domain, options={"domains": {domain: {"serve": "im"}}})
    assert isinstance(gateway, Gateway)

    def publish(port: int) -> None:
        services = {"_xmpp-client._tcp": port, "_xmpps-client._tcp": CLIENT_TLS}
        records = {f"{name}.{domain}": {"SRV": [f"0 5 {port} {domain}"], "TTL": 0} for name, port in services.items()}
        world.nameserver.publish_records(records)

    publish(CLIENT)
    status, found = look(world, gateway)
    assert (status, red(found)) == (0, {}), found
    assert {each["rule"]: each["state"] for each in found["rules"]}["ports for clients"] == "green"

    publish(1)
    done = ended(world, gateway)
    assert done.returncode == 4
    assert "RED  ports for clients" in done.stdout
    assert "clients-unreachable" in done.stdout
    assert f"connecting to {domain} {gateway.address} port 1" in done.stderr
