"""biboumi, a gateway to IRC, attached as docs/biboumi.md prints it, and found by our users and others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.clients import PASSWORD, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.process import Server
from tests.interop.peers.site import COMPONENT
from tests.support.pages import block, domains

HOME, IRC = "example.com", "irc.example.com"


class Biboumi(Server):
    """biboumi with the configuration of the page, except for what is the test's own."""

    name = "biboumi"

    def __init__(self, gateway: Peer, folder: Path) -> None:
        super().__init__(gateway.address, folder)
        self._gateway = gateway
        self._configuration = dict(line.split("=", 1) for line in block("biboumi.md", "ini").splitlines())
        self._configuration |= {
            "password": gateway.site.components[IRC],
            "xmpp_server_ip": gateway.address,
            "port": str(COMPONENT),
            "db_name": str(folder / "biboumi.sqlite"),
        }

    def command(self) -> list[str]:
        return [shutil.which("biboumi") or "biboumi", str(self.folder / "biboumi.cfg")]

    def ports(self) -> tuple[int, ...]:
        return ()

    def ready(self) -> bool:
        return f"component {IRC}: attached" in self._gateway.log()

    def write_configuration(self) -> None:
        text = "".join(f"{key}={value}\n" for key, value in self._configuration.items())
        (self.folder / "biboumi.cfg").write_text(text)


@pytest.fixture(scope="module")
def home(start_all: Starter) -> Iterator[Peer]:
    if shutil.which("biboumi") is None:
        problem = "biboumi is not installed: see tests/interop/install.sh"
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(problem)
    home = start_all(Gateway, HOME, components={IRC: "secret"}, options={"domains": domains("biboumi.md")})
    home.register(f"romeo@{HOME}", PASSWORD)
    with Biboumi(home, home.folder / "biboumi"):
        yield home


async def test_it_is_found_with_its_name_and_says_what_it_is(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        disco = romeo.xmpp.plugin["xep_0030"]
        items = await disco.get_items(jid=HOME)
        assert (IRC, "IRC") in {(str(jid), name) for jid, _, name in items["disco_items"]["items"]}
        info = await disco.get_info(jid=IRC)
        assert ("conference", "irc") in {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}
        commands = await disco.get_items(jid=IRC, node="http://jabber.org/protocol/commands")
        assert len(commands["disco_items"]["items"]) > 1


async def test_a_user_of_another_server_finds_it(home: Peer, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo:
        info = await romeo.xmpp.plugin["xep_0030"].get_info(jid=IRC)
        assert ("conference", "irc") in {(category, kind) for category, kind, *_ in info["disco_info"]["identities"]}
