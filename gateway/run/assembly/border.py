"""The border: filters and lists as the settings have them, and what they remember over a restart."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

from gateway.config.settings import ImDomain, ListSettings, Settings
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.border import Border
from gateway.filters.lists import NamedList, read_list_file
from gateway.filters.rules import FilterRule
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.shared import Shared
from gateway.storage.interfaces import IStore
from gateway.storage.records import Relation
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.stanzas import Stanza

SAVE_SECONDS = 3600.0
_FILE = "acquaintances"


class Filters(Service):
    """Keeps the border by the settings of the moment; it has nothing to do while there are no rules."""

    _log = Logger("gateway.filters")

    def __init__(self, shared: Shared, routing: Routing, store: Callable[[], IStore | None]) -> None:
        """`store` gives the accounts, once it is open."""
        self.setName("filters")
        self._shared = shared
        self._router = routing.router
        self._store = store
        self.border = Border(
            router=routing.router,
            is_own=shared.rules.domains.is_own,
            acquaintances=Acquaintances(),
            contacts=self._is_contact,
            clock=shared.reactor,
            time_of_day=shared.time_of_day,
            publish=shared.board.publish,
            holding=self,
            report=self._report,
        )
        self._saving = LoopingCall(self._save)
        self._saving.clock = shared.reactor
        self.replace(shared.settings)

    def replace(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        lists = {name: self._make_list(name, each) for name, each in settings.lists.items()}
        self.border.replace(settings.filters, lists)
        self._router.border = self.border if settings.filters else None

    def shut_out(self, domain: Domain) -> str:
        """Return why nothing that comes from a domain is wanted; empty when something may be."""
        rule = self.border.shut_out_by(domain)
        return f"the filter {rule.name!r} lets nothing in that comes from {domain}" if rule is not None else ""

    def startService(self) -> None:
        super().startService()
        self._restore()
        self._saving.start(SAVE_SECONDS, now=False)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        if self._saving.running:
            self._saving.stop()
        return self._save()

    # -- what the border asks ----------------------------------------------------------------------------------------

    def _is_contact(self, ours: Address, theirs: Address) -> Deferred[bool] | bool:
        store = self._store()
        if store is None or not isinstance(self._shared.settings.domains.get(ours.domain), ImDomain):
            return False
        return store.relation(ours.bare, theirs.bare).addCallback(_is_in_roster)

    def hold(self, pair: object, stanza: Stanza, rule: str) -> bool:
        return False

    def _report(self, rule: FilterRule, stanza: Stanza) -> None:
        pass

    # -- lists -------------------------------------------------------------------------------------------------------

    def _make_list(self, name: str, settings: ListSettings) -> NamedList:
        made = NamedList(name, str(settings.file or f"{settings.rtbl} {settings.node}"), settings.never)
        if settings.file is not None:
            try:
                made.entries, _ = read_list_file(settings.file)
            except (OSError, UnicodeDecodeError) as error:  # it could be read when the configuration was checked
                made.state = f"cannot be read: {error}"
            else:
                made.state, made.is_well, made.since = "ready", True, self._shared.time_of_day()
        return made

    # -- acquaintances -----------------------------------------------------------------------------------------------

    @property
    def _file(self) -> Path:
        return self._shared.settings.gateway.state / _FILE

    def _restore(self) -> None:
        try:
            with self._file.open(encoding="utf-8") as lines:
                self.border.acquaintances.restore(lines, self._shared.time_of_day())
        except FileNotFoundError:
            pass
        except (OSError, UnicodeDecodeError) as error:
            self._log.warn(
                "{file} cannot be read, so correspondents count as strangers at first: {error}",
                file=self._file,
                error=error,
            )

    def _save(self) -> Deferred[None] | None:
        known = self.border.acquaintances
        if not known.has_changed:
            return None
        known.has_changed = False
        lines = list(known.dump(self._shared.time_of_day()))
        return deferToThread(write_whole, self._file, lines).addErrback(self._not_saved)

    def _not_saved(self, failure: object) -> None:
        self.border.acquaintances.has_changed = True
        self._log.warn("{file} cannot be written: {failure.value}", file=self._file, failure=failure)


def _is_in_roster(relation: Relation) -> bool:
    return relation.item is not None


def write_whole(file: Path, lines: Iterable[str]) -> None:
    """Write a file so that it is either the old one or the whole new one; readable for us alone."""
    draft = file.with_name(f"{file.name}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as new:
        new.writelines(lines)
    draft.replace(file)
