"""What `explain` says where nothing is known: it advises nothing that the gateway would refuse."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.commands.explain import render
from gateway.commands.screen import Screen

OURS = {"serve": "component", "told": "no component is attached", "up": False}
ADVICE = "to make one now: xmpp-gateway probe"


@pytest.mark.parametrize(("ours", "allow", "advised"), [([], True, True), ([], False, False), ([OURS], True, False)])
def test_a_probe_is_advised_only_where_it_may_be_made(ours: list[Any], allow: bool, advised: bool) -> None:
    rules = {"allow": allow, "connect": None, "require": None, "pin": [], "require_tls": True, "authenticate": ["dane"]}
    explained = {
        "domain": "a.test",
        "ours": ours,
        "peer": None,
        "keys": [],
        "streams": [],
        "attempts": [],
        "filters": [],
        "rules": rules,
        "rules_from": {},
    }
    lines = [*render(explained, Screen(width=80, has_colour=False))]
    assert any(ADVICE in line for line in lines) == advised


def test_a_node_of_the_cluster_that_gives_no_answer_is_named() -> None:
    explained = {
        "domain": "a.test",
        "ours": [],
        "peer": None,
        "keys": [],
        "streams": [],
        "attempts": [],
        "filters": [],
        "rules": {"allow": False, "connect": None, "require": None, "pin": [], "require_tls": True, "authenticate": []},
        "rules_from": {},
        "nodes": {"b": {"problem": "it is\x1b[2J silent"}},
    }
    lines = [*render(explained, Screen(width=80, has_colour=False))]
    assert lines[lines.index("node b") + 1].strip().startswith("no answer: it is")
    assert all(line.isprintable() for line in lines)
