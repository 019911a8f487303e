"""The operator's commands for filters: held stanzas, and the effects of rules and lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from gateway.filters.border import Border
from gateway.filters.withheld import Withheld
from gateway.operations.control.door import Command, CommandRefused
from gateway.outbox.errors import OutboxError
from gateway.outbox.records import WithheldStanza
from gateway.outbox.retention import name_of

_NOT_A_NUMBER = "is not the number of a held stanza: `xmpp-gateway held` lists them"


class FilterCommands:
    """Carries out commands; results are ready to become JSON."""

    def __init__(self, border: Border, withheld: Withheld) -> None:
        self._border = border
        self._withheld = withheld

    @property
    def actions(self) -> dict[str, Command]:
        """The method of each command, by its name."""
        commands: tuple[Callable[..., Any], ...] = (
            self.filters,
            self.held,
            self.held_show,
            self.held_release,
            self.held_drop,
        )
        return {command.__name__: command for command in commands}

    def filters(self) -> dict[str, Any]:
        """Return the rules with their decisions since the start, the lists, and how much is held back."""
        rules = [
            {
                "name": rule.name,
                "then": str(rule.decision),
                "dry_run": rule.dry_run,
                "counts": {act: count for (name, act), count in self._border.counts.items() if name == rule.name},
            }
            for rule in self._border.rules
        ]
        lists = [asdict(each.look()) for each in self._border.lists.values()]
        return {"rules": rules, "lists": lists, "held": self._withheld.count}

    def held(self) -> Deferred[list[dict[str, Any]]]:
        """Return the held stanzas, oldest first, without content."""
        found = maybeDeferred(self._withheld.all).addCallback(lambda stanzas: [_about(each) for each in stanzas])
        return found.addErrback(_not_now)

    def held_show(self, id: str) -> Deferred[dict[str, Any]]:
        """Return one stanza, with its content."""
        number = _number(id)

        def find(stanzas: tuple[WithheldStanza, ...]) -> dict[str, Any]:
            for each in stanzas:
                if each.number == number:
                    return {**_about(each), "xml": each.raw.decode("utf-8", "replace")}
            raise CommandRefused(f"{id} {_NOT_A_NUMBER}")

        return maybeDeferred(self._withheld.all).addCallback(find).addErrback(_not_now)

    def held_release(self, id: str) -> Deferred[dict[str, Any]]:
        """Let one stanza through."""
        return self._end(id, self._withheld.release)

    def held_drop(self, id: str) -> Deferred[dict[str, Any]]:
        """Delete one stanza."""
        return self._end(id, self._withheld.drop)

    def _end(self, id: str, end: Callable[[int], Deferred[WithheldStanza | None]]) -> Deferred[dict[str, Any]]:
        def told(each: WithheldStanza | None) -> dict[str, Any]:
            if each is None:
                raise CommandRefused(f"{id} {_NOT_A_NUMBER}")
            return _about(each)

        return maybeDeferred(end, _number(id)).addCallback(told).addErrback(_not_now)


def _number(id: str) -> int:
    if not (id.isascii() and id.isdigit() and len(id) < 19):
        raise CommandRefused(f"{id} {_NOT_A_NUMBER}")
    return int(id)


def _about(each: WithheldStanza) -> dict[str, Any]:
    """Return what is shown of a held stanza; its content only on demand."""
    return {
        "id": each.number,
        "sender": each.pair.sender,
        "target": each.pair.target,
        "kind": name_of(each.raw),
        "bytes": len(each.raw),
        "accepted": each.accepted,
        "expires": each.expires,
        "rule": each.rule,
    }


def _not_now(failure: Failure) -> Any:
    if failure.check(OutboxError):
        raise CommandRefused(str(failure.value)) from None
    return failure
