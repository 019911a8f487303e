"""`status` at any size: what does not fit is counted, the worst is shown, and --all leaves nothing out."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.screen import Screen
from gateway.commands.status import MOST_ROWS, render
from tests.unit.commands.test_running import STATUS

MORE = 5


def of_many() -> dict[str, Any]:
    """The status of a gateway with more of everything than there are rows."""
    count = MOST_ROWS + MORE
    domains = [
        {"domain": f"d{n}.test", "serve": "im", "up": n % 5, "told": "it fell" * (not n % 5)} for n in range(count)
    ]
    certificates = [
        {"domain": f"d{n}.test", "file": f"{n}.pem", "not_after": "2027-01-01", "days_left": 100.0 - n}
        for n in range(count)
    ]
    peers = [
        {
            "domain": f"far{n}.test",
            "state": "failing",
            "since": 7000.0,
            "queued": n,
            "oldest": 30.0,
            "verdict": "refused",
            "certificate_days": n,
        }
        for n in range(count)
    ]
    return STATUS | {
        "domains": domains,
        "certificates": certificates,
        "peers": peers,
        "peer_count": count,
        "disk": None,
    }


def told(status: dict[str, Any], *, all: bool = False) -> str:
    return "\n".join(render(status, Screen(width=80), all=all))


def test_what_does_not_fit_is_counted_and_the_worst_is_shown() -> None:
    text = told(of_many())
    assert text.count("DOWN") == 3  # every one that is down, before those that are up
    assert f"and {MORE} more, all up" in text
    assert "14.pem" in text
    assert "4.pem\n" not in text.replace("14.pem", "")
    assert f"and {MORE} more, which expire later" in text
    assert "far14.test" in text
    assert f"and {MORE} more: xmpp-gateway peers --failing" in text
    assert "disk          unknown" in text


def test_what_is_down_and_not_shown_is_counted_too() -> None:
    status = of_many()
    for each in status["domains"]:
        each["up"] = False
    assert f"and {MORE} more, {MORE} of them DOWN" in told(status)


def test_with_all_nothing_is_left_out() -> None:
    text = told(of_many(), all=True)
    assert " more" not in text
    for number in range(MOST_ROWS + MORE):
        assert f"d{number}.test " in text
        assert f"far{number}.test" in text
        assert f" {number}.pem" in text


@pytest.mark.parametrize(
    ("nats", "life", "line"),
    [
        ("no route to host", "a member", "NATS cannot be reached: no route to host"),
        ("", "being replaced", "this node is being replaced"),
        ("", "a member", None),
    ],
)
def test_what_keeps_a_node_from_the_others_is_told(nats: str, life: str, line: str | None) -> None:
    node = {"node": "a", "live": True, "standing": "in full", "shards": 3, "crossing": 0, "started": 100.0}
    status = STATUS | {"cluster": {"node": "a", "nats": nats, "life": life, "nodes": [node]}}
    lines = [each.strip() for each in told(status).splitlines()]
    assert any(each.startswith("a (this one)") for each in lines)
    assert [each for each in lines if each.startswith(("NATS", "this node is"))] == ([line] if line else [])
