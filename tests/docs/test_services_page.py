"""The configurations in docs/services.md can be used as printed, and its tables have every option."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.bundled.alerts import Alerts, in_words, read_group
from gateway.bundled.webhook import FIELDS, Webhook
from gateway.config import load
from gateway.config.services import OWN
from gateway.config.settings import HandlerDomain
from tests.support.configuration import Folder

PAGE = (Path(__file__).parents[2] / "docs" / "services.md").read_text()
CONFIGURATIONS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


def test_every_service_of_ours_is_on_the_page() -> None:
    shown = {re.findall(r'^serve = "(.+)"$', each, re.MULTILINE)[0] for each in CONFIGURATIONS}
    assert shown == set(OWN)
    assert set(re.findall(r'^\| `"(\w+)"` \|', PAGE, re.MULTILINE)) == set(OWN)


@pytest.mark.parametrize("text", CONFIGURATIONS, ids=lambda text: text.splitlines()[0])
def test_a_configuration_can_be_used_as_printed(text: str, tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for domain in re.findall(r'^\[domains\."([^"]+)"\]$', text, re.MULTILINE):
        folder.certify(domain)
    for secret in re.findall(r'^\w+_file = "([^"]+)"', text, re.MULTILINE):
        (tmp_path / secret).write_text("0123456789abcdef0123456789abcdef01234567\n")
    (domain,) = load(folder.complete(text)).domains.values()
    assert isinstance(domain, HandlerDomain)
    domain.factory(**domain.options)


@pytest.mark.parametrize(("title", "factory"), [("Webhook", Webhook), ("Alerts", Alerts)])
def test_the_table_has_every_option(title: str, factory: Any) -> None:
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = section.partition("| option |")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1])[:1] if row}
    assert named == set(inspect.signature(factory).parameters)


def test_the_table_has_every_key_of_a_message() -> None:
    table = PAGE.partition("| key | meaning |")[2].partition("\n\n")[0]
    assert {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])} == set(FIELDS)


def test_the_message_about_alerts_is_what_people_get() -> None:
    common = {"alertname": "InstanceDown", "job": "node", "severity": "critical"}

    def alert(name: str, status: str, ends: str) -> dict[str, Any]:
        return {
            "status": status,
            "labels": {**common, "instance": name},
            "annotations": {
                "summary": f"{name} is down",
                "description": f"{name} has not answered for 5 minutes.",
            },
            "startsAt": "2026-11-28T17:02:03.123Z",
            "endsAt": ends,
            "generatorURL": "http://prometheus.example.com/graph?g0.expr=up+%3D%3D+0",
        }

    said = {
        "version": "4",
        "commonLabels": common,
        "externalURL": "http://alertmanager.example.com",
        "alerts": [
            alert("db1", "firing", "0001-01-01T00:00:00Z"),
            alert("db2", "resolved", "2026-11-28T17:09:00Z"),
        ],
    }
    assert f"```\n{in_words(read_group(said))}\n```" in PAGE
