"""The Debian package: built from this tree, installed, started, upgraded, removed and purged.

`make deb-test` builds it and names the file in XMPP_GATEWAY_DEB; otherwise these tests are skipped. They need root: all
of it happens in its own namespace, where the machine's files are covered by a layer in memory, so that nothing
stays. Where no namespace can be made, a machine that is there for the tests alone (XMPP_GATEWAY_INTEROP=require) is
used as it is.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.commands import COMMANDS
from tests.support.machine import PATIENCE, Machine
from tests.support.throwaway_ca import Authority

PACKAGE = "xmpp-gateway"
HOME = Path("/usr/lib/xmpp-gateway")
CONFIGURATION = Path("/etc/xmpp-gateway/gateway.toml")
CERTIFICATE = Path("/etc/xmpp-gateway/im.test.pem")
STATE = Path("/var/lib/xmpp-gateway")
LOG = Path("/var/log/xmpp-gateway/twistd.log")
PIDFILE = Path("/run/xmpp-gateway/twistd.pid")
UNIT = Path("/lib/systemd/system/xmpp-gateway.service")
LINEAGE = Path("/srv/xmpp-gateway-test/live/im.test")

SETTINGS = f"""
[gateway]
state = "{STATE}"

[listen]
server = ["tcp:5269"]
client = ["tcp:5222"]
http = ["tcp:5280:interface=127.0.0.1"]

[tls]
authorities = "{LINEAGE}/ca.pem"

[domains."im.test"]
serve = "im"
certificate = "{CERTIFICATE.name}"
"""

pytestmark = pytest.mark.skipif("XMPP_GATEWAY_DEB" not in os.environ, reason="`make deb-test` builds the package")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine on which the package is not installed."""
    with Machine.of_its_own() as machine:
        if machine is None and os.environ.get("XMPP_GATEWAY_INTEROP") == "require" and not HOME.exists():
            yield Machine([], Path("/"))
        elif machine is None:
            pytest.skip("no namespace can be made here")
        else:
            yield machine


@pytest.fixture
def package() -> Path:
    """The package that `make deb` has built."""
    return Path(os.environ["XMPP_GATEWAY_DEB"]).resolve()


@pytest.fixture
def newer(package: Path, tmp_path: Path) -> Path:
    """The same package as a later version."""
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
    control = tree / "DEBIAN" / "control"
    control.write_text(re.sub(r"^Version: .*", r"\g<0>+next", control.read_text(), flags=re.MULTILINE))
    later = tmp_path / "newer.deb"
    command = ["dpkg-deb", "--build", "-Znone", "--root-owner-group", tree, later]
    subprocess.run(command, check=True, capture_output=True)
    return later


class Service:
    """The service on a machine, as its unit runs it, but with a log in a file."""

    def __init__(self, machine: Machine) -> None:
        unit = machine.path(UNIT).read_text()
        self._machine = machine
        self._user = re.findall(r"^User=(.+)$", unit, re.MULTILINE)[0]
        [start] = re.findall(r"^ExecStart=(.+)$", unit, re.MULTILINE)
        self._start = start.replace("--pidfile=", f"--pidfile={PIDFILE} --logfile={LOG}")
        assert self._start != start
        self._process: subprocess.Popen[bytes] | None = None

    def as_user(self, command: str) -> list[str]:
        return ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--init-groups", *shlex.split(command)]

    def start(self) -> None:
        """Start the service; it is ready when it answers."""
        self._machine.run("install", "-d", "-o", self._user, PIDFILE.parent)
        self._process = self._machine.start(*self.as_user(self._start))
        self._machine.wait("xmpp-gateway", "status")

    def stop(self) -> None:
        """Stop the service, and wait until it is gone."""
        assert self._process is not None
        self._machine.run("sh", "-c", f"kill -TERM $(cat {PIDFILE})")
        assert self._process.wait(PATIENCE) in (0, -signal.SIGTERM)


def certify(machine: Machine) -> None:
    """Let the hook of certbot put a certificate for im.test where the configuration names it."""
    authority = Authority.create()
    lineage = machine.path(LINEAGE)
    lineage.mkdir(parents=True)
    authority.save(lineage / "ca.pem")
    issued = authority.issue("im.test")
    (lineage / "fullchain.pem").write_bytes(issued.pem)
    (lineage / "privkey.pem").write_bytes(issued.key_pem)
    machine.run("chmod", "-R", "a+rX", LINEAGE.parents[1])
    hook = "/usr/share/doc/xmpp-gateway/examples/certbot/deploy-hook.sh"
    machine.run("env", f"RENEWED_LINEAGE={LINEAGE}", hook)


def test_its_whole_life(machine: Machine, package: Path, newer: Path, tmp_path: Path) -> None:
    """Install it, serve an account, rotate the log, upgrade, serve the account again, remove and purge."""
    shutil.copy(package, machine.path(Path("/tmp/first.deb")))
    shutil.copy(newer, machine.path(Path("/tmp/newer.deb")))
    # Images for containers leave out manual pages and documents.
    machine.run("dpkg", "--path-include=/usr/share/*", "--install", "/tmp/first.deb")

    assert machine.run("getent", "passwd", PACKAGE).split(":")[5:] == [str(STATE), "/usr/sbin/nologin\n"]
    assert machine.owner_and_mode(STATE) == "xmpp-gateway:xmpp-gateway 700"
    assert machine.owner_and_mode(LOG.parent) == "xmpp-gateway:adm 750"
    assert machine.owner_and_mode(CONFIGURATION) == "root:xmpp-gateway 640"
    assert machine.owner_and_mode(CONFIGURATION.parent) == "root:xmpp-gateway 750"
    assert "nothing would be served" in machine.run("xmpp-gateway", "check", status=1)
    for name in COMMANDS:
        assert machine.path(Path(f"/usr/share/man/man1/xmpp-gateway-{name}.1.gz")).exists()
    assert machine.path(Path("/usr/share/man/man5/xmpp-gateway.toml.5.gz")).exists()
    completion = "/usr/share/bash-completion/completions/xmpp-gateway"
    assert "_xmpp_gateway" in machine.run("bash", "-c", f". {completion} && complete -p xmpp-gateway")

    machine.path(CONFIGURATION).write_text(SETTINGS)
    certify(machine)
    assert machine.owner_and_mode(CERTIFICATE) == "xmpp-gateway:root 600"
    service = Service(machine)
    service.start()
    machine.run(*service.as_user("xmpp-gateway account add romeo@im.test"), given="o, I am fortune's fool\n")
    login = ("xmpp-gateway", "login", "--connect", "tcp:127.0.0.1:5222", "romeo@im.test")
    machine.run(*login, given="o, I am fortune's fool\n")

    if shutil.which("logrotate") is None:
        pytest.skip("needs logrotate")
    machine.run("logrotate", "--force", "/etc/logrotate.d/xmpp-gateway")
    assert "romeo@im.test" in machine.path(LOG.with_name("twistd.log.1")).read_text()
    machine.run("xmpp-gateway", "reload")
    machine.wait("grep", "--quiet", "reload", LOG)
    assert machine.owner_and_mode(LOG) == "xmpp-gateway:adm 640"
    service.stop()

    machine.run("dpkg", "--path-include=/usr/share/*", "--install", "/tmp/newer.deb")
    assert machine.run("dpkg-query", "--show", "--showformat=${Version}", PACKAGE).endswith("+next")
    assert machine.path(CONFIGURATION).read_text() == SETTINGS
    service.start()
    machine.run(*login, given="o, I am fortune's fool\n")
    service.stop()
    assert "cache" not in machine.path(LOG).read_text()  # the plugins were found before, as the user may not write

    machine.run("dpkg", "--remove", PACKAGE)
    assert not machine.path(HOME).exists()
    assert machine.path(STATE / "gateway.db").exists()
    assert machine.path(CONFIGURATION).exists()
    machine.run("dpkg", "--purge", PACKAGE)
    for gone in (STATE, LOG.parent, CONFIGURATION, Path("/etc/logrotate.d/xmpp-gateway")):
        assert not machine.path(gone).exists()
    assert machine.path(CERTIFICATE).exists()


@pytest.mark.skipif(shutil.which("lintian") is None, reason="needs lintian")
def test_lintian_finds_no_error(package: Path) -> None:
    command = ["lintian", "--allow-root", "--fail-on", "error", package]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
