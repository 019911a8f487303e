"""The demo, as `make run` runs it but at its own address: the main job happens, and Ctrl-C ends it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Thread

import pytest

from gateway.demo import material
from gateway.net.certificates.own_certificates import load_identity
from tests.interop.world import claim_network
from tests.support import forks

ROOT = Path(__file__).parents[3]

TOLD = [
    r"look at http://ADDRESS:15280/ in a browser",
    r"answering for demo\.test, echo\.demo\.test",
    r"component bridge\.demo\.test: attached",
    r"writes to echo@outside\.test: 'Hello!'",
    r"stream from bridge\.demo\.test to outside\.test \(ADDRESS:16269\):",
    r"    resolve: .*SRV _xmpp-server\._tcp\.outside\.test",
    r"    connect: .*ADDRESS:16269",
    r"    TLS: .*TLSv1\.3",
    r"    certificate: proves outside\.test",
    r"    proof: .*external",
    r"    established after \d+ ms",
    r"gets from echo@outside\.test: 'Hello!', \d+ ms after writing",
    r"Ctrl-C",
]


class Demo:
    """The program, with the lines that it has printed."""

    def __init__(self, folder: Path) -> None:
        """Start it with SIGINT ignored, as nohup and some CI runners start programs."""
        command = ["/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh", sys.executable, "-m", "gateway.demo", str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines: list[str] = []
        self._queue: Queue[str] = Queue()
        Thread(target=self._read, daemon=True).start()

    def wait_for(self, pattern: str, seconds: float = 60) -> None:
        """Read on until a line matches."""
        deadline = time.monotonic() + seconds
        while not (self.lines and re.search(pattern, self.lines[-1])):
            self.lines.append(self._queue.get(timeout=max(0.01, deadline - time.monotonic())))

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout=30)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """An address where nobody else is, not even a demo that somebody has up."""
    claim, addresses = claim_network()
    with claim:
        yield next(addresses)


@pytest.fixture(scope="module")
def folder(address: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configurations of the demo, at that address."""
    return arranged(tmp_path_factory.mktemp("demo"), address)


def arranged(folder: Path, address: str) -> Path:
    """Put the configurations of the demo into this folder, for that address; return it."""
    (folder / "etc").mkdir()
    for name in ("demo.toml", "demo-outside.toml"):
        text = (ROOT / "etc" / name).read_text()
        (folder / "etc" / name).write_text(text.replace("127.0.0.1", address))
    return folder


@pytest.fixture(scope="module")
def demo(folder: Path) -> Iterator[Demo]:
    """A demo that runs until the last of these tests ends it."""
    demo = Demo(folder)
    yield demo
    demo.process.kill()
    demo.process.wait()


def test_main_job_is_told_step_by_step(demo: Demo, folder: Path, address: str) -> None:
    for pattern in TOLD:
        demo.wait_for(pattern.replace("ADDRESS", re.escape(address)))
    told_with_time = demo.lines[:-1]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3}  ", line) for line in told_with_time if line.strip())
    command = [
        Path(sys.executable).parent / "xmpp-gateway",
        "account",
        "--config",
        folder / "etc" / "demo.toml",
        "list",
    ]
    assert "look at http://" in next(line for line in demo.lines if line.strip())
    status = forks.run([*command[:1], "status", *command[2:4]], timeout=60)
    assert status.stdout.splitlines()[0].endswith("all is well")  # a failure is shown only when somebody asks for one
    accounts = forks.run(command, timeout=60)
    assert sorted(accounts.stdout.split()) == ["juliet@demo.test", "romeo@demo.test"]
    attach_with_a_wrong_secret(address)
    demo.wait_for("  wrong-secret after .* the component has the wrong secret")


def attach_with_a_wrong_secret(address: str) -> None:
    """As a component of one's own, to which the demo invites."""
    with socket.create_connection((address, 15347), timeout=20) as connection:
        connection.sendall(
            b"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"
            b" to='bridge.demo.test'><handshake>0123</handshake>"
        )
        while connection.recv(4096):
            pass


def run_to_its_end(folder: Path) -> subprocess.CompletedProcess[str]:
    """A demo that does not get far."""
    command = [sys.executable, "-m", "gateway.demo", str(folder)]
    return forks.run(command, folder=ROOT, timeout=60)


def test_second_one_says_that_there_is_one(demo: Demo, folder: Path) -> None:
    if not demo.lines:
        demo.wait_for("Ctrl-C")
    second = run_to_its_end(folder)
    assert second.returncode == 1
    assert "is another demo running?" in second.stdout
    assert "Traceback" not in second.stdout + second.stderr


def test_ctrl_c_ends_it_also_where_it_was_started_with_sigint_ignored(demo: Demo) -> None:
    if not demo.lines:
        demo.wait_for("Ctrl-C")
    assert demo.end(signal.SIGINT) == 0
    demo.wait_for("  ended")


@pytest.mark.parametrize(
    ("port", "told"),
    [
        (15347, "listen.component: 'tcp:15347:interface=ADDRESS' cannot be opened: Address already in use"),
        (16269, "the second gateway did not start: see "),
    ],
)
def test_port_that_is_taken_is_told_in_words(port: int, told: str, tmp_path: Path, address: str) -> None:
    with socket.create_server((address, port)):
        ended = run_to_its_end(arranged(tmp_path, address))
    assert ended.returncode == 1
    assert told.replace("ADDRESS", address) in ended.stdout
    assert "Traceback" not in ended.stdout + ended.stderr


def test_material_is_made_once(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    assert material.prepare(folder)
    certificate = (folder / "demo.test.pem").read_bytes()
    assert not material.prepare(folder)
    assert (folder / "demo.test.pem").read_bytes() == certificate
    assert folder.stat().st_mode & 0o077 == 0
    assert (folder / "game.secret").stat().st_mode & 0o077 == 0
    assert load_identity(folder / "demo.test.pem").names.dns == material.CERTIFICATES["demo.test.pem"]


def test_lost_material_is_made_anew(tmp_path: Path) -> None:
    material.prepare(tmp_path)
    secret = (tmp_path / "game.secret").read_text()
    (tmp_path / "outside.test.pem").unlink()
    assert material.prepare(tmp_path)
    assert (tmp_path / "outside.test.pem").exists()
    assert (tmp_path / "game.secret").read_text() == secret


def test_ctrl_c_while_it_is_being_imported_ends_it_without_a_word(tmp_path: Path) -> None:
    """A slow import stands for all of them."""
    (tmp_path / "gateway").mkdir()
    slow = "import os, time\nos.write(1, b'importing')\ntime.sleep(60)\n"
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nclass Slow:\n    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'gateway.demo.running':\n            exec({slow!r})\nsys.meta_path.insert(0, Slow())\n"
    )
    process = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-m", "gateway.demo", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None
    assert process.stdout.read(len("importing")) == b"importing"
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert (rest, process.returncode) == (b"", -signal.SIGINT)
