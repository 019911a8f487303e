"""Operator: the requests that the running service accepts, one method for each command.

Results consist of strings, numbers, lists and mappings, ready for JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.components.route import ComponentRoute
from gateway.config.settings import PeerSettings, Secret, options_of
from gateway.federation.backoff import Backoff
from gateway.federation.route import RemoteRoute
from gateway.im.announcing import Announcement
from gateway.net.connection.protocol import StreamProtocol
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.attempts.records import Attempt
from gateway.operations.control.door import Command, CommandRefused
from gateway.operations.history import History
from gateway.operations.log import LogLevels, harmless
from gateway.operations.status import StatusReader
from gateway.operations.status_records import Status
from gateway.outbox.errors import OutboxError
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.keeper import Keeper
from gateway.outbox.records import AGES, AsideStanza, DomainSummary
from gateway.stream.facts import ClientFacts, Facts
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.errors import MalformedAddress

MOST_LETTERS = 1000
MOST_BODIES = 100
MOST_VERBOSE = 100
"""The most domains with their own level in the log."""
LEVELS = ("debug", "info", "warn", "error", "critical")
RESET = "reset"
MOST_BODY_LETTERS = 4000
_LISTS = ("troubles", "domains", "certificates", "streams", "peers", "queues")


class Steered(Protocol):
    """The parts of the running gateway that commands read or steer."""

    @property
    def status(self) -> StatusReader: ...
    @property
    def history(self) -> History: ...
    @property
    def backoff(self) -> Backoff: ...
    @property
    def keeper(self) -> Keeper: ...
    @property
    def levels(self) -> LogLevels: ...
    @property
    def known_keys(self) -> KnownKeys: ...
    def peer(self, domain: Domain) -> PeerSettings: ...
    def origins(self, domain: Domain) -> Mapping[str, str]: ...
    def connections(self) -> Iterable[StreamProtocol]: ...
    def routes_to(self, domain: Domain) -> Iterable[RemoteRoute | ComponentRoute]: ...
    def forget_names(self) -> None: ...
    def close_account(self, account: Address) -> int: ...
    def filters_about(self, domain: Domain) -> list[str]: ...
    def announce(self, announcement: Announcement, domain: Domain | None = None) -> Deferred[int]: ...
    def import_outbox(self, path: Path) -> Deferred[dict[str, Any]]: ...
    def reload(self) -> Any: ...


def _not_now(failure: Failure) -> Any:
    failure.trap(OutboxError)
    raise CommandRefused(str(failure.value))


def _text(raw: bytes) -> str:
    """Return a stanza as text for a terminal; a longer one is cut."""
    return harmless(raw.decode("utf-8", "replace"), MOST_BODY_LETTERS)


def _about(stanza: AsideStanza) -> dict[str, Any]:
    """Return what is shown of a stanza that was set aside: its kind and addresses, but not its content."""
    return {
        "sender": stanza.pair.sender,
        "target": stanza.pair.target,
        "bytes": len(stanza.raw),
        "accepted": stanza.accepted,
        "reason": stanza.reason,
    }


class Operator:
    """The commands that an operator can give."""

    def __init__(self, steered: Steered, turns: Turns) -> None:
        """`turns` runs work that takes a long time when there are very many streams."""
        self._steered = steered
        self._turns = turns

    @property
    def actions(self) -> dict[str, Command]:
        """The method of each command, by its name."""
        commands: tuple[Callable[..., Any], ...] = (
            self.status,
            self.peers,
            self.queues,
            self.explain,
            self.close,
            self.retry,
            self.close_account,
            self.announce,
            self.reload,
            self.log,
            self.waiting,
            self.show,
            self.hold,
            self.release,
            self.drop,
            self.import_outbox,
        )
        return {command.__name__: command for command in commands}

    def status(self) -> Deferred[dict[str, Any]]:
        """Return the whole status."""
        return Deferred.fromCoroutine(self._status())

    async def _status(self) -> dict[str, Any]:
        return _as_mapping(await self._steered.status.whole(self._turns))

    def peers(self) -> Deferred[list[dict[str, Any]]]:
        """Return the other domains, and the state of federation with each."""
        return Deferred.fromCoroutine(self._peers())

    async def _peers(self) -> list[dict[str, Any]]:
        return [vars(each) for each in await self._turns.gather(self._steered.status.peers().records())]

    def queues(self) -> list[dict[str, Any]]:
        """Return the routes to other domains, and the stanzas that wait on them."""
        return [vars(queue) for queue in self._steered.status.queues()]

    def explain(self, domain: str) -> dict[str, Any]:
        """Return all that is known about a domain: its streams and its last attempts, step by step."""
        name = _prepared(domain)
        status = self._steered.status
        peer = status.peer(name)
        return {
            "domain": name,
            "ours": [vars(each) for each in status.own(name)],
            "rules": _rules(self._steered.peer(name)),
            "rules_from": self._steered.origins(name),
            "filters": self._steered.filters_about(name),
            "keys": [asdict(each) for each in self._steered.known_keys.of(name)],
            "peer": vars(peer) if peer is not None else None,
            "streams": [vars(each) for each in status.streams_of(name)],
            "attempts": [attempt_record(attempt) for attempt in self._steered.history.of(name)],
        }

    def close(self, domain: str) -> dict[str, Any]:
        """Close the streams with a domain properly; they come back when there is something to send."""
        name = _prepared(domain)
        concerned = [each for each in self._steered.connections() if _concerns(each.stream.facts, name)]
        for connection in concerned:
            connection.close()
        return {"domain": name, "closed": len(concerned)}

    def retry(self, domain: str) -> dict[str, Any]:
        """Forget earlier failures and DNS answers, and try the waiting stanzas now."""
        name = _prepared(domain)
        self._steered.forget_names()
        self._steered.backoff.forget(name)
        waiting = [route for route in self._steered.routes_to(name) if route.queued]
        for route in waiting:
            route.retry()
        return {"domain": name, "tried": len(waiting), "stanzas": sum(route.queued for route in waiting)}

    # -- the outbox --------------------------------------------------------------------------------------------------

    @property
    def _outbox(self) -> IOutbox:
        outbox = self._steered.keeper.outbox
        if outbox is None:
            raise CommandRefused("the outbox is not open")
        return outbox

    def waiting(self) -> Deferred[dict[str, Any]]:
        """Return the kept stanzas by domain and age, and the condition of the outbox."""
        outbox, keeper = self._outbox, self._steered.keeper

        def told(domains: Sequence[DomainSummary]) -> dict[str, Any]:
            return {
                "condition": outbox.condition.word,
                "sentence": outbox.condition.sentence,
                "remedy": outbox.condition.remedy,
                "stanzas": outbox.stanzas,
                "bytes": outbox.size,
                "ages": list(AGES),
                "domains": [{**asdict(each), "age": now - each.oldest} for each in domains],
                "held": sorted(keeper.held),
                "counts": keeper.counts,
            }

        now = keeper.time_of_day()
        return outbox.summary(now).addCallbacks(told, _not_now)

    def show(self, domain: str, bodies: str = "") -> Deferred[dict[str, Any]]:
        """Return what is kept for one domain, by sender, with the last failure and the stanzas that were set aside.

        With `bodies` the oldest stanzas of each sender are in it as they are, and those set aside as well.
        """
        return Deferred.fromCoroutine(self._show(_prepared(domain), self._outbox, bool(bodies))).addErrback(_not_now)

    async def _show(self, name: Domain, outbox: IOutbox, bodies: bool) -> dict[str, Any]:
        state = await outbox.state(name)
        stanzas: list[dict[str, Any]] = []
        for pair in [each.pair for each in state.pairs] if bodies else []:
            room = MOST_BODIES - len(stanzas)
            if room > 0:
                page = await outbox.page(pair, 0, room)
                stanzas += ({"sender": pair.sender, "accepted": each.accepted, "raw": _text(each.raw)} for each in page)
        return {
            "domain": name,
            "is_held": state.is_held,
            "pairs": [{**asdict(each), "pair": list(each.pair)} for each in state.pairs],
            "failing": asdict(state.failing) if state.failing is not None else None,
            "aside": [_about(each) | ({"raw": _text(each.raw)} if bodies else {}) for each in await outbox.aside(name)],
            "stanzas": stanzas[:MOST_BODIES],
        }

    def hold(self, domain: str) -> Deferred[dict[str, Any]]:
        """Send none of the stanzas kept for a domain until it is released; this survives a restart."""
        name = _prepared(domain)

        def held(_: None) -> dict[str, Any]:
            self._steered.keeper.held.add(name)
            for route in list(self._steered.routes_to(name)):
                route.hold()
            return {"domain": name, "stanzas": sum(route.kept for route in self._steered.routes_to(name))}

        return self._outbox.hold(name).addCallbacks(held, _not_now)

    def release(self, domain: str) -> Deferred[dict[str, Any]]:
        """Resume sending the stanzas that are kept for a domain."""
        name = _prepared(domain)

        def released(_: None) -> dict[str, Any]:
            self._steered.keeper.held.discard(name)
            for route in list(self._steered.routes_to(name)):
                route.release()
            return {"domain": name, "stanzas": sum(route.kept for route in self._steered.routes_to(name))}

        return self._outbox.release(name).addCallbacks(released, _not_now)

    def drop(self, domain: str) -> Deferred[dict[str, Any]]:
        """Delete the stanzas kept for a domain, including those set aside, without a bounce."""
        name = _prepared(domain)

        def dropped(count: int) -> dict[str, Any]:
            for route in list(self._steered.routes_to(name)):
                route.dropped()
            return {"domain": name, "stanzas": count}

        return self._outbox.drop(name).addCallbacks(dropped, _not_now)

    def import_outbox(self, path: str) -> Deferred[dict[str, Any]]:
        """Move what another gateway has kept in a file to our outbox; the answer says whether that is complete."""
        return self._steered.import_outbox(Path(path))

    def close_account(self, account: str) -> dict[str, Any]:
        """Close the streams of one of our accounts, which was deleted or has a new password."""
        return {"account": account, "closed": self._steered.close_account(Address.parse(account))}

    def announce(self, text: str, subject: str = "", domain: str = "", everybody: str = "") -> Deferred[dict[str, Any]]:
        """Announce to those who are online, or with `everybody` to all accounts, of one domain or of all."""
        announcement = Announcement(text, subject, bool(everybody))
        if problem := announcement.problem:
            raise CommandRefused(problem)
        name = _prepared(domain) if domain else None
        return self._steered.announce(announcement, name).addCallback(
            lambda accounts: {"accounts": accounts, "everybody": announcement.to_all}
        )

    def reload(self) -> Any:
        """Reload the configuration."""
        return self._steered.reload()

    def log(self, level: str = "", domain: str = "") -> dict[str, Any]:
        """Set the level of the log until the restart, for everything or for one domain; return what is in force.

        `reset` goes back to the configuration.
        """
        levels = self._steered.levels
        if level and level not in (*LEVELS, RESET):
            raise CommandRefused(f"{level!r} is not a level: use one of {', '.join(LEVELS)}, or {RESET}")
        if domain:
            self._set_level_of(_prepared(domain), level)
        elif level == RESET:
            levels.domains.clear()
            levels.set(levels.configured)
        elif level:
            levels.set(level)
        return {"level": levels.level, "configured": levels.configured, "domains": dict(levels.domains)}

    def _set_level_of(self, name: Domain, level: str) -> None:
        domains = self._steered.levels.domains
        if level == RESET:
            domains.pop(name, None)
        elif level and name not in domains and len(domains) >= MOST_VERBOSE:
            raise CommandRefused(f"{MOST_VERBOSE} domains have their own levels: reset some of them first")
        elif level:
            domains[name] = level


def attempt_record(attempt: Attempt) -> dict[str, Any]:
    """Return an attempt as a mapping, with the meaning of its verdict."""
    return {
        **asdict(attempt),
        "who": attempt.who,
        "outcome": attempt.outcome,
        "failed": attempt.outcome.is_failure,
        "what_happened": attempt.what_happened,
        "meaning": attempt.outcome.advice.meaning,
        "side": attempt.side,
        "mend": attempt.mend,
    }


def _rules(peer: PeerSettings) -> dict[str, Any]:
    """Return all keys of a domain's rules with their values in force; of a secret, only whether there is one."""
    return {each.name: _plain(getattr(peer, each.name)) for each, _ in options_of(PeerSettings)}


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return "(set)"
    return list(value) if isinstance(value, tuple) else value


def shown(value: Any) -> Any:
    """Return the value with every string made harmless for a terminal or page."""
    if isinstance(value, dict):
        return {shown(key): shown(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [shown(each) for each in value]
    return harmless(value, MOST_LETTERS) if isinstance(value, str) else value


def _as_mapping(status: Status) -> dict[str, Any]:
    """Return the status as mappings; its records are flat, so nothing has to be copied."""
    lists = {name: [vars(each) for each in getattr(status, name)] for name in _LISTS}
    outbox = asdict(status.outbox) if status.outbox is not None else None
    disk = asdict(status.disk) if status.disk is not None else None
    return {**vars(status), **lists, "outbox": outbox, "disk": disk, "ready": status.ready}


def _prepared(domain: str) -> Domain:
    try:
        return prepare_domain(domain)
    except MalformedAddress as error:
        raise CommandRefused(error.problem) from error


def _concerns(facts: Facts, domain: Domain) -> bool:
    if isinstance(facts, ClientFacts):
        return False
    return domain == (facts.remote if facts.remote is not None else facts.local)
