"""The streams of an account are closed on whatever node they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from gateway.cluster.crossing import NotAnswered
from gateway.operations.control.cluster import ClusterCommands
from tests.unit.outbox.contract import now


class Membership:
    """A node of three; one of the others does not answer."""

    name = "a"

    def names(self) -> list[str]:
        return ["b", "c"]

    def figures(self) -> dict[str, Any]:
        return {}

    def ask_for(self, node: str, command: str, arguments: Mapping[str, str], seconds: float) -> Deferred[Any]:
        assert (command, arguments) == ("close_account", {"account": "juliet@im.test"})
        return succeed({"account": "juliet@im.test", "closed": 2}) if node == "b" else fail(NotAnswered("no answer"))

    def drain(self) -> Deferred[dict[str, Any]]:
        raise NotImplementedError


def test_a_changed_password_ends_the_streams_on_every_node_that_answers() -> None:
    local: dict[str, Any] = dict.fromkeys(("explain", "reload"))
    local["close_account"] = lambda account: {"account": account, "closed": 1}
    commands = ClusterCommands(Membership(), local)
    assert now(commands.actions["close_account"](account="juliet@im.test"))["closed"] == 3
    assert commands.for_other_nodes["close_account"](account="juliet@im.test")["closed"] == 1
