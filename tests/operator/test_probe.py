"""`probe`: a domain is tried without the service, step by step."""

from __future__ import annotations

import json

import pytest

from tests.operator.conftest import COMMAND, EXPIRED, GOOD, NOWHERE, OURS, SLAMMED, SWALLOWED, Scene
from tests.support import forks

SOMETHING_IS_WRONG = 4


def test_a_good_domain_is_proved_step_by_step(scene: Scene) -> None:
    told = scene.operate("probe", GOOD)
    assert told.returncode == 0, told.stdout + told.stderr
    steps = [line.split()[1] for line in told.stdout.splitlines() if line.startswith("  ok ")]
    assert steps == ["resolve", "connect", "TLS", "certificate", "proof"]
    assert "established" in told.stdout


@pytest.mark.parametrize(
    ("domain", "verdict"),
    [
        (EXPIRED, "certificate-expired"),
        (NOWHERE, "no-such-domain"),
        (SWALLOWED, "no-answer"),
        (SLAMMED, "closed-after-proof"),
    ],
)
def test_a_broken_domain_is_understood(scene: Scene, domain: str, verdict: str) -> None:
    told = scene.operate("probe", domain)
    assert told.returncode == SOMETHING_IS_WRONG
    assert f"  {verdict}; it took" in told.stdout
    assert "remedy:" in told.stdout


def test_programs_read_json(scene: Scene) -> None:
    [attempt] = scene.ask("probe", GOOD)
    assert (attempt["remote"], attempt["verdict"], attempt["local"]) == (GOOD, "established", OURS)


def test_a_domain_of_ours_is_not_tried(scene: Scene) -> None:
    told = scene.operate("probe", OURS)
    assert told.returncode == 1
    assert "is one of our domains" in told.stderr


def test_without_a_configuration_it_looks_as_a_stranger(scene: Scene) -> None:
    command = [COMMAND, "probe", "--json", "127.0.0.1.nip.invalid"]
    told = forks.run(command, timeout=60)
    assert told.returncode == SOMETHING_IS_WRONG, told.stderr
    [attempt] = json.loads(told.stdout)
    assert attempt["verdict"] in ("no-such-domain", "dns-failed")
    assert attempt["kind"] == "keys"
