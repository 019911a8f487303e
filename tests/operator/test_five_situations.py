"""Tried as a new operator would: what is wrong with a domain is understood from one command."""

from __future__ import annotations

import pytest

from tests.operator.conftest import EXPIRED, GOOD, LOCKED_OUT, NOWHERE, SLAMMED, SWALLOWED, Scene

SOMETHING_IS_WRONG = 4


@pytest.mark.parametrize(
    ("domain", "verdict", "told", "side", "mend"),
    [
        (EXPIRED, "certificate-expired", "the certificate expired on", "theirs", "renew the certificate"),
        (NOWHERE, "no-such-domain", "there is no address for nowhere.test", "theirs", "publish an SRV record"),
        (SWALLOWED, "no-answer", "had not answered yet", "the network's or theirs", "in our firewall"),
        (
            SLAMMED,
            "closed-after-proof",
            "the proof by external was accepted, then",
            "theirs",
            "Only its log says why",
        ),
        (LOCKED_OUT, "wrong-secret", "has the wrong secret", "ours", f'secret in [domains."{LOCKED_OUT}"]'),
    ],
)
def test_one_command_tells_what_happened_on_whose_side_and_what_mends_it(
    scene: Scene, domain: str, verdict: str, told: str, side: str, mend: str
) -> None:
    explained = scene.operate("explain", domain)
    assert explained.returncode == SOMETHING_IS_WRONG, explained.stderr
    words = " ".join(explained.stdout.split())
    assert verdict in words
    assert told in words
    assert f"whose side: {side}" in words
    assert mend in words
    assert "FAIL" in words or domain == SLAMMED


def test_a_domain_with_which_all_is_well_is_told_so(scene: Scene) -> None:
    explained = scene.operate("explain", GOOD)
    assert explained.returncode == 0, explained.stdout
    assert "established" in explained.stdout
    assert "first stanza" in explained.stdout


def test_peers_tells_all_domains_at_a_glance(scene: Scene) -> None:
    verdicts = {peer["domain"]: peer["verdict"] for peer in scene.ask("peers")["peers"]}
    assert verdicts[GOOD] == "established"
    assert verdicts[EXPIRED] == "certificate-expired"
    assert verdicts[SWALLOWED] == "no-answer"


def test_status_names_the_component_that_is_not_there(scene: Scene) -> None:
    told = scene.operate("status")
    assert told.returncode == SOMETHING_IS_WRONG
    words = " ".join(told.stdout.split())
    assert (
        f"- {LOCKED_OUT} is not served: no component is attached; one was refused: the component has the wrong" in words
    )
    assert "Make the two equal" in words


@pytest.mark.parametrize("domain", [EXPIRED, NOWHERE])
def test_the_log_says_it_in_one_line(scene: Scene, domain: str) -> None:
    lines = [line for line in scene.gateway.log().splitlines() if f"to {domain}" in line and " warn " in line]
    assert lines
    assert "the cause is theirs" in lines[0]
