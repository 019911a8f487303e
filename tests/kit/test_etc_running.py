"""What is in etc/ for running the service fits the service: metrics, commands, doors and files that exist."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from gateway.commands import COMMANDS
from gateway.config.settings import Doors, options_of
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
    assert door in {field.name for field, _ in options_of(Doors)}
    assert f'{door} = ["systemd:domain=INET6:name={door}"]' in unit


def test_the_hook_of_certbot_puts_the_certificate_in_place_and_reloads(tmp_path: Path) -> None:
    lineage = tmp_path / "live" / "im.test"
    lineage.mkdir(parents=True)
    (lineage / "fullchain.pem").write_text("chain\n")
    (lineage / "privkey.pem").write_text("key\n")
    config = tmp_path / "gateway.toml"
    config.write_text('certificate = "im.test.pem"\n')
    command = tmp_path / "xmpp-gateway"
    command.write_text(f'#!/bin/sh\necho "$@" >{tmp_path}/called\nexit 3\n')
    command.chmod(0o755)
    environment = os.environ | {
        "RENEWED_LINEAGE": str(lineage),
        "XMPP_GATEWAY_CONFIG": str(config),
        "XMPP_GATEWAY_COMMAND": str(command),
        "XMPP_GATEWAY_USER": str(os.getuid()),
    }
    hook = ETC / "certbot" / "deploy-hook.sh"
    subprocess.run([hook], env=environment, check=True, capture_output=True)
    placed = tmp_path / "im.test.pem"
    assert placed.read_text() == "chain\nkey\n"
    assert stat.S_IMODE(placed.stat().st_mode) == 0o600
    assert (tmp_path / "called").read_text() == f"reload --config {config}\n"
    assert [path.name for path in tmp_path.glob("im.test.pem*")] == ["im.test.pem"]
    config.write_text("another\n")
    (tmp_path / "called").unlink()
    subprocess.run([hook], env=environment, check=True, capture_output=True)
    assert not (tmp_path / "called").exists()


def test_the_container_starts_the_service_and_asks_for_its_health() -> None:
    told = (ETC / "container" / "Containerfile").read_text()
    assert '["twistd", "--nodaemon", "--pidfile=", "xmpp-gateway", "--config"' in told
    assert "/healthz" in told
    assert "USER xmpp-gateway" in told
