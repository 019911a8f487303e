"""F-C-10: the recipe for relays works as it is printed, with a Prosody in the configuration of its package."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import pytest

from gateway.config.advice import warnings
from gateway.config.loading import load
from tests.hardening.refusals import verdict
from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.ports import usual
from tests.interop.peers.prosody import _assignments
from tests.interop.peers.site import SERVER
from tests.interop.world import World

ROOT = Path(__file__).parents[2]
SHIPPED = Path("/etc/prosody/prosody.cfg.lua")
PLACE = re.compile(r"run_as_root|daemonize|data_path|certificates|pidfile|log|interfaces|\w+_ports|ssl|unbound")
RELAYED = "inside.test"
PING = "<ping xmlns='urn:xmpp:ping'/>"
RELAY = tomllib.loads((ROOT / "etc/relay.toml").read_text())["domains"]["inside.example.com"]


class ShippedProsody(Prosody):
    """Prosody with the configuration of its package: only the place where it runs is ours, and `lines` are changed."""

    lines: ClassVar[str] = ""

    def write_configuration(self) -> None:
        super().write_configuration()
        shipped = SHIPPED.read_text().partition("\nVirtualHost")[0]
        place = {name: value for name, value in self._settings().items() if PLACE.fullmatch(name)}
        hosts = "".join(f'VirtualHost "{domain}"\n' for domain in self.site.domains)
        unbound = re.compile(r"^unbound = .*\n", re.MULTILINE)  # the tests' nameserver needs some options more
        ours = unbound.sub("", self.lines) + _assignments(place)
        for name in re.findall(r"^(\w+) =", ours, re.MULTILINE):  # Prosody takes each option once
            shipped = re.sub(rf"(?ms)^{name}\s*=\s*(?:\{{\n.*?^\}}|[^\n]*)", "", shipped)
        self.configuration.write_text("\n".join([shipped, ours, hosts]))


class RecipeProsody(ShippedProsody):
    """The same with the lines that our manual prints."""

    lines = dedent("".join(re.findall(r"```lua\n(.*?) *```", (ROOT / "docs/relay.md").read_text(), re.DOTALL)))


class Border(Gateway):
    """A gateway whose inside door is at the usual port of an inner address."""

    inner: ClassVar[str]

    def _settings(self) -> Mapping[str, Any]:
        settings = dict(super()._settings())
        settings["listen"] = {**settings["listen"], "inside": [f"tcp:{usual(5269)}:interface={self.inner}"]}
        return settings

    def ports(self) -> tuple[int, ...]:
        return (SERVER,)


def start_border(
    world: World, start: Starter, prosody: type[Prosody], *outside: str, **changes: Any
) -> tuple[Peer, Peer]:
    """A gateway and the server behind it, which finds every domain at one address, and no other records."""
    view = world.view()
    inside = start(prosody, RELAYED, view=view)

    class Here(Border):
        inner = world.address()

    table = {**RELAY, "connect": f"tcp:{inside.address}:{SERVER}", **changes}
    table["certificate"] = str(world.bundle(world.authority.issue(RELAYED)))
    border = start(Here, "edge.test", options={"domains": {RELAYED: table}})
    world.nameserver.publish(border.address, RELAYED)
    view.publish_records({domain: {"A": [Here.inner], "TTL": 0} for domain in (*outside, "edge.test")})
    return border, inside


async def test_the_recipe_works_as_it_is_printed(world: World, start: Starter, ejabberd: Peer) -> None:
    """Pass messages and requests both ways between the world and a Prosody with the printed lines, under TLS."""
    border, inside = start_border(world, start, RecipeProsody, *ejabberd.site.domains)
    async with user(inside, "romeo") as romeo, user(ejabberd, "juliet") as juliet:
        juliet.send_message(romeo.jid, "Ay me!")
        assert (await romeo.expect_message("Ay me!"))["from"] == juliet.jid
        romeo.send_message(juliet.jid, "She speaks:")
        assert (await juliet.expect_message("She speaks:"))["from"] == romeo.jid
        assert (await romeo.request("ejabberd.test", PING))["from"] == "ejabberd.test"
        assert (await juliet.request(RELAYED, PING))["from"] == RELAYED
    inwards = [line for line in border.log().splitlines() if f"stream from ejabberd.test to {RELAYED}" in line]
    assert any("established" in line and "TLS TLSv1" in line and "proof by dialback" in line for line in inwards)


async def test_a_server_that_demands_certificates_is_named(world: World, start: Starter, ejabberd: Peer) -> None:
    """Return what the world sends to a Prosody without the printed lines, and say what it has to accept."""
    border, _ = start_border(world, start, ShippedProsody, *ejabberd.site.domains)
    async with user(ejabberd, "juliet") as juliet:
        lost = juliet.send_message(f"romeo@{RELAYED}", "Art thou there?")
        assert await juliet.expect_error(lost) == "remote-server-timeout"
    line = verdict(border, RELAYED)
    assert "Your server's certificate is not valid for this name (proof-refused;" in line
    assert "must accept other domains by dialback" in line


@pytest.mark.parametrize(
    ("authenticate", "is_named"),
    [(["external"], True), (["external", "dialback"], False), (["dialback"], False)],
)
def test_check_names_a_relay_that_cannot_work(tmp_path: Path, authenticate: list[str], is_named: bool) -> None:
    """Warn of a relay to which no other domain can be proved."""
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[gateway]\nstate = "{tmp_path}/state"\n[listen]\ninside = ["tcp:5279:interface=127.0.0.1"]\n'
        f'[domains."{RELAYED}"]\nserve = "relay"\nconnect = "tcp:127.0.0.5:5269"\nrequire_tls = true\n'
        f"authenticate = {authenticate}\n"
    )
    said = warnings(load(file), datetime.now(UTC))
    assert any('does not list "dialback"' in warning for warning in said) == is_named


class UncertifiedProsody(RecipeProsody):
    """The same without any certificate: it offers STARTTLS, and fails in the handshake."""

    lines = f"{RecipeProsody.lines}s2s_require_encryption = false\n"

    def write_configuration(self) -> None:
        super().write_configuration()
        for file in (self.folder / "certificates").iterdir():
            file.unlink()


async def test_f_c_6_a_server_without_a_certificate_is_reached_in_clear(
    world: World, start: Starter, ejabberd: Peer
) -> None:
    """Pass a request to a Prosody without a certificate, and its answer, where the relay does not require TLS."""
    border, _ = start_border(
        world, start, UncertifiedProsody, *ejabberd.site.domains, *ejabberd.site.components, require_tls=False
    )
    async with attached(ejabberd) as component:
        assert (await component.request(RELAYED, PING))["from"] == RELAYED
    log = [line for line in border.log().splitlines() if f"to {RELAYED}" in line]
    assert any("established" in line and "TLS skipped: the handshake failed before" in line for line in log)
