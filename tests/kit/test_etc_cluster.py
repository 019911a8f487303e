"""The units for several nodes on one machine are those of one, but for what must differ."""

from __future__ import annotations

import configparser
import difflib
import re
from pathlib import Path

from gateway.config.settings import ListenSettings, options_of

UNITS = Path(__file__).parents[2] / "etc" / "systemd"


def keys(unit: str) -> list[str]:
    return [line for line in (UNITS / unit).read_text().splitlines() if line and not line.startswith("#")]


def test_an_instance_differs_from_the_single_service_in_its_files_alone() -> None:
    lines = difflib.ndiff(keys("xmpp-gateway.service"), keys("xmpp-gateway@.service"))
    changed = [line[2:] for line in lines if line.startswith("+ ")]
    assert {line.partition("=")[0] for line in changed} == {"Description", "ExecStart", "StateDirectory"}
    assert all("%i" in line for line in changed)


def test_every_instance_has_a_socket_of_its_own_on_the_same_port() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNITS / "xmpp-gateway@.socket")
    assert unit["Socket"]["ReusePort"] == "true"
    assert unit["Socket"]["Service"] == "xmpp-gateway@%i.service"
    [door] = re.findall(r"FileDescriptorName=(\w+)", (UNITS / "xmpp-gateway@.socket").read_text())
    assert door in {field.name for field, _ in options_of(ListenSettings)}
