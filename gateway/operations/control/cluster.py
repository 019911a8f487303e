"""The commands of a gateway that is one of several: each answers for all nodes, and names the node.

A node that does not answer in time is named with the reason, and the others are shown. Long lists of other
nodes are cut, because an answer between nodes is one message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList, FirstError, maybeDeferred
from twisted.python.failure import Failure

from gateway.operations.control.door import Command

MOST_ROWS = 1000
"""The most rows of one list that another node sends."""
ANSWER_SECONDS = 5.0
RELOAD_SECONDS = 60.0


class AskingMember(Protocol):
    """This node, as the one that asks all others."""

    name: str

    def names(self) -> list[str]:
        """Return the names of the other live nodes."""

    def ask_for(self, node: str, command: str, arguments: Mapping[str, str], seconds: float) -> Deferred[Any]:
        """Have another node carry out a command; return its result."""


class Member(AskingMember, Protocol):
    """This node, as far as commands are concerned."""

    def figures(self) -> dict[str, Any]:
        """Return what this node knows of the cluster."""

    def drain(self) -> Deferred[dict[str, Any]]:
        """Hand everything over, then stop."""


class ClusterCommands:
    """The commands that concern all nodes, over those of this one."""

    def __init__(self, member: Member, local: Mapping[str, Command]) -> None:
        """`local` are the commands of this node alone, with two that only nodes give: `brief` and `view`."""
        self._member = member
        self._local = local

    @property
    def actions(self) -> dict[str, Command]:
        """Return the commands of the control socket that differ from those of a single gateway."""
        return {
            "status": self.status,
            "peers": lambda: self._rows("peers"),
            "queues": lambda: self._rows("queues"),
            "explain": self.explain,
            "reload": self.reload,
            "drain": self._member.drain,
            "close_account": self.close_account,
            "announce": self.announce,
        }

    @property
    def for_other_nodes(self) -> dict[str, Command]:
        """Return the commands that other nodes may give: none stops this node or shows a stanza."""
        return {
            "brief": self._local["brief"],
            "view": self._local["view"],
            "peers": lambda: _cut(self._local["peers"]),
            "queues": lambda: _cut(self._local["queues"]),
            "explain": self._local["explain"],
            "reload": self._local["reload"],
            "close_account": self._local["close_account"],
            "announce": self._local["announce"],
        }

    def close_account(self, account: str) -> Deferred[dict[str, Any]]:
        """Close the streams of an account, on whatever node they are."""

        def together(results: list[tuple[bool, Any]]) -> dict[str, Any]:
            (_, own), (_, others) = results
            return {**own, "closed": own["closed"] + sum(each.get("closed", 0) for each in others.values())}

        own = maybeDeferred(self._local["close_account"], account=account)
        return _all([own, self._from_others("close_account", {"account": account})]).addCallback(together)

    def announce(self, text: str, subject: str = "", domain: str = "", everybody: str = "") -> Deferred[dict[str, Any]]:
        """Announce to those who are online, on whatever node they are; this node alone can reach all accounts."""
        arguments = {"text": text, "subject": subject, "domain": domain}

        def here(own: dict[str, Any]) -> Deferred[dict[str, Any]] | dict[str, Any]:
            if everybody:
                return own
            asked = announce_elsewhere(self._member, arguments)
            return asked.addCallback(lambda others: together(own, others))

        def together(own: dict[str, Any], others: dict[str, dict[str, Any]]) -> dict[str, Any]:
            nodes = {self._member.name: own, **others}
            return {**own, "accounts": sum(each.get("accounts", 0) for each in nodes.values()), "nodes": nodes}

        return maybeDeferred(self._local["announce"], **arguments, everybody=everybody).addCallback(here)

    def status(self) -> Deferred[dict[str, Any]]:
        """Return the status of this node, and the state of all."""

        def together(results: list[tuple[bool, Any]]) -> dict[str, Any]:
            (_, own), (_, others) = results
            figures = self._member.figures()
            for node in figures["nodes"]:
                is_this = node["node"] == self._member.name
                node.update(self._local["brief"]() if is_this else others.get(node["node"], {}))
            return {**own, "cluster": figures}

        asked = [maybeDeferred(self._local["status"]), self._from_others("brief", {})]
        return _all(asked).addCallback(together)

    def explain(self, domain: str) -> Deferred[dict[str, Any]]:
        """Return all that is known about a domain here, and what the other nodes know."""

        def together(results: list[tuple[bool, Any]]) -> dict[str, Any]:
            (_, own), (_, others) = results
            return {**own, "node": self._member.name, "nodes": others}

        own = maybeDeferred(self._local["explain"], domain=domain)
        return _all([own, self._from_others("explain", {"domain": domain})]).addCallback(together)

    def reload(self) -> Deferred[dict[str, Any]]:
        """Reload the configuration here, and if that is done, on all other nodes, each from its own file."""

        def here(own: dict[str, Any]) -> Deferred[dict[str, Any]]:
            others = self._from_others("reload", {}, RELOAD_SECONDS)
            return others.addCallback(lambda nodes: {**own, "node": self._member.name, "nodes": nodes})

        return maybeDeferred(self._local["reload"]).addCallback(here)

    def _rows(self, command: str) -> Deferred[list[dict[str, Any]]]:
        """Return the rows of all nodes, each with its node."""

        def together(results: list[tuple[bool, Any]]) -> list[dict[str, Any]]:
            (_, own), (_, others) = results
            rows = [{**each, "node": self._member.name} for each in own]
            for node, answer in others.items():
                rows += [{**each, "node": node} for each in answer.get("rows", ())]
            return rows

        return _all([maybeDeferred(self._local[command]), self._from_others(command, {})]).addCallback(together)

    def _from_others(
        self, command: str, arguments: Mapping[str, str], seconds: float = ANSWER_SECONDS
    ) -> Deferred[dict[str, Any]]:
        return _from_others(self._member, command, arguments, seconds)


def announce_elsewhere(member: AskingMember, arguments: Mapping[str, str]) -> Deferred[dict[str, dict[str, Any]]]:
    """Have the other nodes announce something to those who are online there; return the answer of each."""
    return _from_others(member, "announce", arguments, ANSWER_SECONDS)


def _from_others(
    member: AskingMember, command: str, arguments: Mapping[str, str], seconds: float
) -> Deferred[dict[str, dict[str, Any]]]:
    """Return the answer of each other node; of one that did not answer, the problem."""
    names = member.names()

    def problem(failure: Failure) -> dict[str, Any]:
        return {"problem": failure.getErrorMessage()}

    asked = [member.ask_for(name, command, arguments, seconds).addErrback(problem) for name in names]
    return _all(asked).addCallback(lambda found: dict(zip(names, (answer for _, answer in found), strict=True)))


def _all(asked: list[Deferred[Any]]) -> Deferred[list[tuple[bool, Any]]]:
    """Return the results of all; fail with the first failure."""
    every: Deferred[Any] = DeferredList(asked, fireOnOneErrback=True, consumeErrors=True)
    return every.addErrback(_the_failure)


def _the_failure(failure: Failure) -> Failure:
    """Return the failure of the one that failed first."""
    return failure.value.subFailure if isinstance(failure.value, FirstError) else failure


def _cut(command: Callable[[], Any]) -> Deferred[dict[str, Any]]:
    return maybeDeferred(command).addCallback(lambda rows: {"rows": rows[:MOST_ROWS], "all": len(rows)})
