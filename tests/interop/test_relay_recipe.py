"""The recipe of docs/relay.md, word for word: its addresses, its dnsmasq, its gateway, a Prosody behind it.

All of it runs on its own machine, so that the addresses, ports and files are those that are printed. What is added
is the world: a nameserver, and another gateway with an echo.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.machine import PATIENCE, Machine
from tests.support.throwaway_ca import Authority

pytestmark = pytest.mark.interop

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/relay.md").read_text()
RELAYED, FAR = "inside.example.com", "far.example.net"
GATEWAY, INNER, SERVER, WORLD = "192.0.2.1", "10.0.0.1", "10.0.0.5", "198.51.100.1"
CA = Path("/srv/ca.pem")
TWISTD = [Path(sys.executable).with_name("twistd"), "--nodaemon", "--pidfile=", "xmpp-gateway", "--config"]

WORLD_NAMES = f"""
listen-address={WORLD}
bind-interfaces
no-resolv
no-hosts
address=/{RELAYED}/{GATEWAY}
address=/{FAR}/{WORLD}
local=/#/
"""

FAR_GATEWAY = f"""
[gateway]
state = "/srv/far"
[listen]
server = ["tcp:5269:interface={WORLD}"]
[domains."{FAR}"]
serve = "echo"
certificate = "/srv/{FAR}.pem"
"""

SPEAK = f"""
import asyncio
from pathlib import Path
from tests.interop.clients import Client

async def speak():
    async with Client("romeo@{RELAYED}", "secret", address=("{SERVER}", 5222), authorities=Path("{CA}")) as romeo:
        romeo.send_message("juliet@{FAR}", "But soft, what light?")
        print((await romeo.expect_message("But soft, what light?"))["from"])

asyncio.run(speak())
"""


def printed(language: str) -> str:
    """Return the only block of code of the page in that language."""
    [block] = re.findall(rf"^ *```{language}\n(.*?)^ *```", PAGE, re.DOTALL | re.MULTILINE)
    return dedent(block)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine with the addresses of the recipe."""
    for program in ("dnsmasq", "prosody"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    with Machine.of_its_own() as machine:
        if machine is None:
            pytest.skip("needs root, and namespaces")
        for address in (GATEWAY, INNER, SERVER, WORLD):
            machine.run("ip", "address", "add", f"{address}/32", "dev", "lo")
        machine.path(Path("/srv")).mkdir(exist_ok=True)
        yield machine


@contextmanager
def running(machine: Machine, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block."""
    process = machine.start(*words)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def write(machine: Machine, path: str, text: str) -> Path:
    """Write a file of the machine."""
    file = machine.path(Path(path))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return Path(path)


def prosody(machine: Machine, authority: Authority) -> list[object]:
    """Configure the server behind as its package does, with the printed lines; return how it is started."""
    lines = printed("lua") + f'interfaces = {{ "{SERVER}" }}\n'
    shipped = machine.path(Path("/etc/prosody/prosody.cfg.lua"))
    text = shipped.read_text()
    for name in re.findall(r"^(\w+) =", lines, re.MULTILINE):  # Prosody takes each option once
        text = re.sub(rf"^{name} *=.*\n", "", text, flags=re.MULTILINE)
    whole, _, _ = text.partition("\nVirtualHost")
    shipped.write_text(f'{whole}\n{lines}\nVirtualHost "{RELAYED}"\n')
    certificates = Path("/etc/prosody/certs")
    issued = authority.issue(RELAYED)
    issued.save(machine.path(certificates / f"{RELAYED}.crt"), machine.path(certificates / f"{RELAYED}.key"))
    machine.run("chown", "prosody", certificates / f"{RELAYED}.key")
    machine.run("install", "-d", "-o", "prosody", "/run/prosody")
    machine.run("prosodyctl", "register", "romeo", RELAYED, "secret")
    return ["setpriv", "--reuid=prosody", "--regid=prosody", "--init-groups", "prosody", "-F"]


def test_the_recipe_passes_messages_both_ways(machine: Machine) -> None:
    """Send a message from behind the gateway into the world, whose answer comes back."""
    authority = Authority.create()
    authority.save(machine.path(CA))
    world = write(machine, "/srv/world.conf", WORLD_NAMES)
    relay = write(machine, "/etc/dnsmasq.d/relay.conf", printed("text"))
    write(machine, "/etc/resolv.conf", f"nameserver {WORLD}\n")
    ours = write(machine, "/etc/xmpp-gateway/gateway.toml", (ROOT / "etc/relay.toml").read_text())
    theirs = write(machine, "/srv/far.toml", FAR_GATEWAY)
    authority.issue(RELAYED).save(machine.path(ours.with_name(f"{RELAYED}.pem")))
    authority.issue(FAR).save(machine.path(Path(f"/srv/{FAR}.pem")))
    speak = write(machine, "/srv/speak.py", SPEAK)

    trusting = ["env", f"SSL_CERT_FILE={CA}", f"PYTHONPATH={ROOT}"]
    nameserver = ["dnsmasq", "--keep-in-foreground", "--user=root", "--pid-file="]
    with ExitStack() as stack:
        for command in (
            [*nameserver, f"--conf-file={world}"],
            [*nameserver, f"--conf-file={relay}"],
            [*trusting, *TWISTD, ours],
            [*trusting, *TWISTD, theirs],
            prosody(machine, authority),
        ):
            stack.enter_context(running(machine, *command))
        machine.wait(*trusting, sys.executable, "-m", "gateway.commands", "status", "--config", ours)
        machine.wait(*trusting, sys.executable, "-m", "gateway.commands", "status", "--config", theirs)
        machine.wait("prosodyctl", "shell", "s2s", "show")
        assert machine.run(*trusting, sys.executable, speak) == f"juliet@{FAR}\n"
