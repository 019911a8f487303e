"""The streams of an account are closed on whatever node they are, and announcements reach the users of all nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from gateway.cluster.crossing import NotAnswered
from gateway.commands.screen import Screen
from gateway.commands.steering import announce
from gateway.operations.control.cluster import ClusterCommands
from gateway.operations.control.door import CommandRefused
from tests.unit.outbox.contract import now


class Membership:
    """A node of three; one of the others does not answer."""

    name = "a"

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def names(self) -> list[str]:
        return ["b", "c"]

    def figures(self) -> dict[str, Any]:
        return {}

    def ask_for(self, node: str, command: str, arguments: Mapping[str, str], seconds: float) -> Deferred[Any]:
        self.asked.append((node, command, dict(arguments)))
        answers = {"close_account": {"account": "juliet@im.test", "closed": 2}, "announce": {"accounts": 5}}
        return succeed(answers[command]) if node == "b" else fail(NotAnswered("no answer"))

    def nodes(self) -> list[dict[str, Any]]:
        return []

    def drain(self) -> Deferred[dict[str, Any]]:
        raise NotImplementedError


def test_a_changed_password_ends_the_streams_on_every_node_that_answers() -> None:
    commands, member = of_three(close_account=lambda account: {"account": account, "closed": 1})
    assert now(commands.actions["close_account"](account="juliet@im.test"))["closed"] == 3
    assert commands.for_other_nodes["close_account"](account="juliet@im.test")["closed"] == 1
    assert member.asked == [(node, "close_account", {"account": "juliet@im.test"}) for node in "bc"]


def of_three(**commands: Callable[..., Any]) -> tuple[ClusterCommands, Membership]:
    local: dict[str, Any] = dict.fromkeys(("explain", "reload", "brief", "view", "close_account", "announce"))
    member = Membership()
    return ClusterCommands(member, {**local, **commands}), member


def announced(text: str, everybody: str = "", **more: str) -> dict[str, Any]:
    if not text:
        raise CommandRefused("there is nothing to announce")
    return {"accounts": 3, "everybody": bool(everybody)}


def test_an_announcement_to_those_online_reaches_every_node_and_says_how_many_at_which() -> None:
    commands, member = of_three(announce=announced)
    answer = now(commands.actions["announce"](text="We stop at ten", domain="im.test"))
    assert answer["accounts"] == 8
    assert {node: each.get("accounts") for node, each in answer["nodes"].items()} == {"a": 3, "b": 5, "c": None}
    assert [(node, words["text"], words["domain"]) for node, _, words in member.asked] == [
        ("b", "We stop at ten", "im.test"),
        ("c", "We stop at ten", "im.test"),
    ]
    screen = Screen(width=100, has_colour=False)
    assert [*announce(answer, screen)] == [
        "being sent to 8 accounts online: 3 at node a, 5 at node b",
        "those at node c may not get it: no answer",
    ]


def test_what_is_for_all_accounts_is_sent_by_one_node_alone() -> None:
    """Its messages go the way of all others, so they find every account."""
    commands, member = of_three(announce=announced)
    assert now(commands.actions["announce"](text="News", everybody="yes")) == {"accounts": 3, "everybody": True}
    assert member.asked == []


def test_what_is_refused_here_is_not_announced_elsewhere() -> None:
    commands, member = of_three(announce=announced)
    with pytest.raises(CommandRefused):
        now(commands.actions["announce"](text=""))
    assert member.asked == []
