"""The twistd plugin: mistakes end it before anything happens, and the log goes where the command line says."""

from __future__ import annotations

import gc
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from twisted.application.service import Application, IServiceCollection
from twisted.logger import ILogObserver

from gateway.tap import OBJECTS_BETWEEN_COLLECTIONS, Logged, spare_the_collector
from tests.support import forks
from tests.support.configuration import Folder

TWISTD = Path(sys.executable).with_name("twistd")


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def twistd(folder: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run twistd in that folder to its end."""
    return forks.run([TWISTD, *arguments], folder=folder, timeout=30)


@pytest.mark.parametrize("before", [["--nodaemon"], [], ["--logfile=service.log", "--pidfile=service.pid"]])
def test_mistakes_end_it_with_a_report_before_it_forks_or_logs(folder: Folder, before: list[str]) -> None:
    file = folder.complete('[listen]\nserver = "tcp:5269"\n[limits]\ndepht = 3\n')
    ended = twistd(folder.path, *before, "xmpp-gateway", "--config", file)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.splitlines() == [
        f"{file}:2: listen.server: a list is needed, not 'tcp:5269': put it in brackets",
        f"{file}:4: limits.depht: no such key: did you mean 'depth'?",
        "2 mistakes",
    ]
    assert {path.name for path in folder.path.iterdir()} == {"ca.pem", "gateway.toml"}, "nothing was written"


def test_without_the_option_the_environment_names_the_file(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder.complete("[limits]\ndepht = 3\n")
    monkeypatch.setenv("XMPP_GATEWAY_CONFIG", str(file))
    ended = twistd(folder.path, "--nodaemon", "xmpp-gateway")
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{file}:2: limits.depht: no such key")


def test_an_argument_beside_the_options_is_refused(folder: Folder) -> None:
    ended = twistd(folder.path, "--nodaemon", "xmpp-gateway", "--config", folder.complete(""), "etc/more.toml")
    assert ended.returncode == 1
    assert "unexpected argument 'etc/more.toml'" in ended.stdout + ended.stderr


@pytest.mark.parametrize("before", [["--nodaemon"], ["--logfile=service.log", "--pidfile=service.pid"]])
def test_a_state_folder_that_cannot_be_used_ends_it_before_it_forks(folder: Folder, before: list[str]) -> None:
    (folder.path / "state").mkdir(mode=0o700)
    (folder.path / "state" / "dialback.secret").write_bytes(b"short")
    file = folder.complete("")
    ended = twistd(folder.path, *before, "xmpp-gateway", "--config", file)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"{file}: gateway.state: cannot use {folder.path}/state/dialback.secret: it has 5 bytes instead of 32:"
        " remove it, and the gateway makes a new one\n1 mistake\n"
    )


def test_help_needs_no_configuration(folder: Folder) -> None:
    ended = twistd(folder.path, "xmpp-gateway", "--help")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0] == "Usage: twistd [options] xmpp-gateway [--config FILE]"
    assert "the configuration file" in ended.stdout


def run_until_it_answers(folder: Path, *arguments: str | Path) -> list[str]:
    """Run twistd until its log says that it answers, end it by SIGTERM, and return the lines of its log."""
    log = folder / "service.log"
    process = subprocess.Popen([TWISTD, *arguments], cwd=folder)
    try:
        deadline = time.monotonic() + 60
        while not (log.exists() and "answering for" in log.read_text()):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.terminate()
        assert process.wait(timeout=30) == -signal.SIGTERM
    finally:
        process.kill()
    return log.read_text().splitlines()


@pytest.mark.parametrize("form", ["text", "json"])
def test_service_logs_to_twistds_logfile_and_ends_at_sigterm(folder: Folder, form: str) -> None:
    file = folder.complete(f'[listen]\nserver = ["tcp:0:interface=127.0.0.1"]\n[log]\nformat = "{form}"\n')
    arguments = ["--nodaemon", "--logfile=service.log", "--pidfile=", "xmpp-gateway", "--config", file]
    lines = run_until_it_answers(folder.path, *arguments)
    sentence = "answering for im.test; ports: server tcp:0:interface=127.0.0.1"
    if form == "text":
        assert lines[-1].endswith("stopped")
        assert any(line.endswith(f" info  {sentence}") for line in lines)
    else:
        records = [json.loads(line) for line in lines]
        assert records[-1]["facts"] == {"text": "stopped", "weight": "info"}
        assert sentence in [record["message"] for record in records]


def test_gateway_brings_its_log_to_the_application() -> None:
    application = Application("xmpp-gateway")
    gateway = Logged(observer := lambda event: None)  # type: ignore[arg-type]
    gateway.setServiceParent(application)
    assert application.getComponent(ILogObserver) is observer
    assert list(IServiceCollection(application)) == [gateway]


def test_twistd_turns_the_collector_off_before_it_imports_the_service() -> None:
    code = (
        "import gc\nfrom twisted.plugin import getPlugins\nfrom twisted.application.service import IServiceMaker\n"
        "mine = next(each for each in getPlugins(IServiceMaker) if each.tapname == 'xmpp-gateway')\n"
        "before = gc.isenabled()\nmine.options\nduring = gc.isenabled()\n"
        "from gateway.tap import spare_the_collector\nspare_the_collector()\nprint(before, during, gc.isenabled())"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == ["True", "False", "True"]


def test_garbage_collector_passes_over_what_start_up_made() -> None:
    before = gc.get_threshold()
    try:
        spare_the_collector()
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] == OBJECTS_BETWEEN_COLLECTIONS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_without_an_observer_twistd_makes_its_own() -> None:
    application = Application("xmpp-gateway")
    Logged(None).setServiceParent(application)
    assert application.getComponent(ILogObserver, None) is None


@pytest.mark.parametrize(
    ("before", "told"),
    [
        (["--logfile=-", "--pidfile=service.pid"], "a daemon cannot log to standard output: name a file"),
        (["--nodaemon", "--logfile=nowhere/service.log"], "twistd: cannot write the log to "),
    ],
)
def test_a_log_that_cannot_be_written_ends_it(folder: Folder, before: list[str], told: str) -> None:
    ended = twistd(folder.path, *before, "xmpp-gateway", "--config", folder.complete(""))
    assert ended.returncode == 1
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (folder.path / "service.pid").exists()


@pytest.mark.parametrize(("reactor", "fits"), [("select", False), ("asyncio", True)])
def test_a_cluster_needs_the_loop_of_asyncio(folder: Folder, reactor: str, fits: bool) -> None:
    (folder.path / "state").mkdir(mode=0o700)
    (folder.path / "state" / "dialback.secret").write_bytes(b"short")  # which is looked at afterwards
    cluster = '[cluster]\nurl = ["nats://127.0.0.1:1"]\nnode = "a"\nsecret = "the same on all nodes of this cluster"\n'
    domain = '[domains."a.test"]\nserve = "echo"\n'
    arguments = ["--nodaemon", f"--reactor={reactor}", "--pidfile=", "xmpp-gateway", "--config"]
    ended = twistd(folder.path, *arguments, folder.complete(cluster + domain))
    assert ended.returncode == 1
    assert ("[cluster] needs asyncio's event loop" in ended.stderr) == (not fits)
    assert ("dialback.secret: it has 5 bytes" in ended.stderr) == fits
