"""The rules for Prometheus: taken by its own tool, each alert tried with the situation that it is for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.operations.metrics import Metrics
from gateway.operations.troubles import TroubleKind
from tests.unit.operations.test_metrics import DOCUMENT, documented, every_notice_once, metrics

__all__ = ["metrics"]  # a fixture

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "etc" / "prometheus"
FILE = PROMETHEUS / "xmpp-gateway.rules.yml"
SITUATIONS = Path(__file__).with_name("alerts.yml")
[GROUP] = yaml.safe_load(FILE.read_text())["groups"]
RULES: list[dict[str, Any]] = GROUP["rules"]
OF_PROCESSES = {"up", "process_open_fds", "process_max_fds", "process_start_time_seconds"}
LABELS_OF_THE_SCRAPE = {"job", "instance"}

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool")


def promtool(*words: str | Path, given: bytes | None = None) -> str:
    """Run promtool, and return what it says; fail if it finds anything wrong."""
    ended = subprocess.run(["promtool", *words], input=given, capture_output=True, check=False)
    said = (ended.stdout + ended.stderr).decode()
    assert ended.returncode == 0, said
    return said


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules_and_the_scrape_example() -> None:
    assert f"SUCCESS: {len(RULES)} rules found" in promtool("check", "rules", FILE)
    assert "SUCCESS: 1 rule files found" in promtool("check", "config", PROMETHEUS / "scrape.yml")


@needs_promtool
def test_promtool_has_no_remark_on_any_metric(metrics: Metrics) -> None:
    every_notice_once(metrics)
    assert promtool("check", "metrics", given=metrics.text()) == ""


@needs_promtool
def test_each_alert_fires_in_its_situation_and_none_when_all_is_well() -> None:
    assert "SUCCESS" in promtool("test", "rules", SITUATIONS)


def test_there_is_a_situation_for_each_alert_and_one_in_which_all_is_well() -> None:
    well, *situations = yaml.safe_load(SITUATIONS.read_text())["tests"]
    names = [rule["alert"] for rule in RULES]
    assert [(check["alertname"], check["exp_alerts"]) for check in well["alert_rule_test"]] == [
        (name, []) for name in names
    ]
    assert [situation["alert_rule_test"][-1]["alertname"] for situation in situations] == names
    assert all(situation["alert_rule_test"][-1]["exp_alerts"] for situation in situations)


def test_rules_use_metrics_and_labels_that_exist() -> None:
    metrics_and_labels = documented()
    for rule in RULES:
        for name, matchers in re.findall(r"\b((?:xmpp_gateway|process)_\w+|up)\b(?:\{([^}]*)\})?", rule["expr"]):
            if name not in OF_PROCESSES:
                _, labels = metrics_and_labels[name.removesuffix("_bucket")]
                assert set(re.findall(r"(\w+)=", matchers)) <= labels | LABELS_OF_THE_SCRAPE, rule["alert"]


def test_every_kind_of_trouble_raises_an_alert() -> None:
    everything = " ".join(rule["expr"] for rule in RULES)
    [rest] = re.findall(r'kind!~"([a-z|]+)"', everything)
    named = set("|".join(re.findall(r'kind=~?"([a-z|]+)"', everything)).split("|"))
    watched_otherwise = {"port": "ready", "outbox": "outbox_ready", "domain": "domain_up", "certificate": "certificate"}
    assert set(rest.split("|")) <= set(TroubleKind)
    assert all(f"xmpp_gateway_{metric}" in everything for metric in watched_otherwise.values())
    assert set(rest.split("|")) <= named | set(watched_otherwise)


def test_the_manual_lists_every_alert_with_its_severity() -> None:
    listed = re.findall(r"^\| `(XmppGateway\w+)` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE)
    assert listed == [(rule["alert"], rule["labels"]["severity"]) for rule in RULES]


def test_the_scrape_example_has_the_job_that_the_rules_expect() -> None:
    [scrape] = yaml.safe_load((PROMETHEUS / "scrape.yml").read_text())["scrape_configs"]
    jobs = set(re.findall(r'job="([\w-]+)"', FILE.read_text()))
    assert jobs == {scrape["job_name"]}
