"""What is in etc/ for running the service fits the service: metrics, commands, doors and files that exist."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands import COMMANDS
from gateway.config.settings import ListenSettings, options_of
from tests.support.configuration import Folder
from tests.unit.operations.test_metrics import documented

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc"
DASHBOARD = ETC / "grafana" / "xmpp-gateway.json"
UNITS = sorted((ETC / "systemd").iterdir())
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def expressions() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    targets = [target for panel in board["panels"] for target in panel.get("targets", [])]
    return [target["expr"] for target in targets] + [each["query"] for each in board["templating"]["list"]]


def test_the_dashboard_uses_only_metrics_that_exist() -> None:
    used = {name for text in expressions() for name in re.findall(r"\b(?:xmpp_gateway|process)_\w+", text)}
    exist = set(documented()) | {f"{name}_bucket" for name, (kind, _) in documented().items() if kind == "histogram"}
    assert used
    assert used <= exist | PROCESS


def test_the_dashboard_shows_every_metric() -> None:
    shown = " ".join(expressions())
    assert [name for name in documented() if name not in shown] == []


def test_the_dashboard_uses_only_labels_that_the_metrics_have() -> None:
    labels = documented()
    for text in expressions():
        for name, matchers in re.findall(r"\b(xmpp_gateway_\w+)\{([^}]*)\}", text):
            _, has = labels[name.removesuffix("_bucket")]
            assert set(re.findall(r"(\w+)=", matchers)) <= has | {"instance"}, text


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_units_are_well_formed(unit: Path) -> None:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(unit)
    assert {"Unit", "Install"} < set(parser.sections())
    if analyze := shutil.which("systemd-analyze"):
        told = subprocess.run([analyze, "verify", unit], capture_output=True, text=True, check=False).stderr
        assert not [line for line in told.splitlines() if "Unknown" in line or "Failed to parse" in line]


def test_the_unit_calls_the_service_as_it_wants_to_be_called() -> None:
    unit = (ETC / "systemd" / "xmpp-gateway.service").read_text()
    assert "twistd --nodaemon --pidfile= xmpp-gateway --config" in unit
    assert "Type=notify\n" in unit
    assert re.search(r"^WatchdogSec=\d+$", unit, re.M)
    assert re.search(r"^ExecReload=/bin/kill -HUP \$MAINPID$", unit, re.M)
    called = set(re.findall(r"bin/xmpp-gateway (\w+)", unit))
    assert called <= set(COMMANDS)


def test_the_socket_unit_is_for_a_door() -> None:
    unit = (ETC / "systemd" / "xmpp-gateway.socket").read_text()
    [door] = re.findall(r"^FileDescriptorName=(\w+)$", unit, re.M)
    assert door in {field.name for field, _ in options_of(ListenSettings)}
    assert f'{door} = ["systemd:domain=INET6:name={door}"]' in unit


class Hook:
    """The hook for certbot, with a configuration for im.test, whose certificate has been renewed."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.lineage = path / "live" / "im.test"
        self.lineage.mkdir(parents=True)
        self.folder.certify("im.test")
        self.placed = path / "im.test.pem"
        self.config = self.folder.complete('[domains."im.test"]\nserve = "im"\ncertificate = "im.test.pem"\n')

    def renew(self, *names: str) -> None:
        self.folder.certify(*names, file="live/im.test/fullchain.pem", key_file="live/im.test/privkey.pem")

    def run(self) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "RENEWED_LINEAGE": str(self.lineage),
            "XMPP_GATEWAY_CONFIG": str(self.config),
            "XMPP_GATEWAY_COMMAND": str(Path(sys.executable).with_name("xmpp-gateway")),
            "XMPP_GATEWAY_USER": str(os.getuid()),
        }
        hook = ETC / "certbot" / "deploy-hook.sh"
        return subprocess.run([hook], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


def test_the_hook_of_certbot_puts_a_certificate_in_place_that_can_be_used(hook: Hook) -> None:
    hook.renew("im.test")
    before = hook.placed.read_text()
    done = hook.run()
    assert (done.returncode, done.stderr) == (0, f"xmpp-gateway: {NOT_RUNNING.format(hook.folder.path / 'state')}\n")
    lineage = [hook.lineage / name for name in ("fullchain.pem", "privkey.pem")]
    assert hook.placed.read_text() == "".join(each.read_text() for each in lineage) != before
    assert stat.S_IMODE(hook.placed.stat().st_mode) == 0o600
    assert [path.name for path in hook.folder.path.glob("im.test.pem*")] == ["im.test.pem"]


NOT_RUNNING = "the service is not running: nobody answers in its state folder {}"


@pytest.mark.parametrize("fault", ["another name", "another key", "half a file", "no file"])
def test_the_hook_of_certbot_leaves_the_present_one_where_the_new_one_cannot_be_used(hook: Hook, fault: str) -> None:
    hook.renew("other.test" if fault == "another name" else "im.test")
    chain, key = hook.lineage / "fullchain.pem", hook.lineage / "privkey.pem"
    if fault == "another key":
        hook.folder.certify("x.test", file="x.pem", key_file="live/im.test/privkey.pem")
    elif fault == "half a file":
        chain.write_text(chain.read_text()[:300])
    elif fault == "no file":
        key.unlink()
    before = hook.placed.read_bytes()
    done = hook.run()
    assert done.returncode != 0
    assert fault == "no file" or "stays as it is" in done.stderr
    assert hook.placed.read_bytes() == before
    assert [path.name for path in hook.folder.path.glob("im.test.pem*")] == ["im.test.pem"]


def test_the_hook_of_certbot_brings_the_first_certificate_too(hook: Hook) -> None:
    hook.placed.unlink()
    hook.renew("im.test")
    assert hook.run().returncode == 0
    assert hook.placed.exists()


def test_the_hook_of_certbot_passes_over_certificates_of_others(hook: Hook) -> None:
    hook.config.write_text("another\n")
    assert hook.run().returncode == 0


def test_the_container_starts_the_service_and_asks_for_its_health() -> None:
    told = (ETC / "container" / "Containerfile").read_text()
    assert '["twistd", "--nodaemon", "--pidfile=", "xmpp-gateway", "--config"' in told
    assert "/healthz" in told
    assert "USER xmpp-gateway" in told
