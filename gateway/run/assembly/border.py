"""The border: filters and lists from the settings, and their memory across restarts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from random import SystemRandom

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from twisted.internet.threads import deferToThread
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.config.settings import ImDomain, ListSettings, RelayDomain, Settings
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.border import Border
from gateway.filters.conditions import IsContact
from gateway.filters.contacts import AbuseContacts, addresses_in
from gateway.filters.interfaces import IFilter
from gateway.filters.lists import NamedList, list_file, read_list_file
from gateway.filters.reports import Reports
from gateway.filters.rtbl import BlockListSubscription
from gateway.filters.withheld import Withheld
from gateway.notices.attempts.records import Attempt
from gateway.notices.notices import Notice
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.shared import Shared
from gateway.storage.interfaces import IStore
from gateway.storage.records import Relation
from gateway.storage.whole_files import write_whole
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.stanzas import AddressedStanza

SAVE_SECONDS = 3600.0
LOOK_SECONDS = 600.0
FIRST_ASKED = 2.0  # seconds after the start, when the ports are open for the answers
_FILE = "acquaintances"


class Filters(Service):
    """Keeps the border up to date with the settings; it does nothing while there are no rules."""

    _log = Logger("gateway.filters")

    def __init__(self, shared: Shared, routing: Routing, store: Callable[[], IStore | None]) -> None:
        """`store` returns the accounts, once it is open."""
        self.setName("filters")
        self._shared = shared
        self._router = routing.router
        self._store = store
        contacts = AbuseContacts(self.ask, partial(self.asking_address, "contacts"), shared.reactor.seconds)
        reports = Reports(routing.router, self._contacts_of, contacts.find, shared.reactor.seconds)
        self.withheld = Withheld(routing.keeper, routing.router, shared.time_of_day, shared.board.publish)
        self.border = Border(
            router=routing.router,
            is_own=shared.in_force.domains.is_own,
            acquaintances=Acquaintances(),
            contacts=self._contacts,
            clock=shared.reactor,
            time_of_day=shared.time_of_day,
            publish=shared.board.publish,
            withholding=self.withheld,
            report=reports.report,
            taken=self._taken,
        )
        self._block_lists: dict[str, BlockListSubscription] = {}
        self._list_settings: dict[str, ListSettings] = {}
        self._out_of_reach: set[Domain] = set()
        self._saving, self._looking = LoopingCall(self._save), LoopingCall(self.withheld.look)
        self._saving.clock = self._looking.clock = shared.reactor
        shared.board.subscribe(self._attempted, Attempt)
        self.replace(shared.settings)

    def replace(self, settings: Settings, filters: Mapping[str, IFilter] | None = None) -> None:
        """Use these settings from now on."""
        self.border.replace(settings.filters, self._replace_lists(settings), filters)
        self._router.border = self.border if settings.filters or self._block_lists else None

    def shut_out(self, domain: Domain) -> str:
        """Return why everything from a domain is shut out; empty if something may come in."""
        if self._router.border is None:  # there are no rules
            return ""
        rule = self.border.shut_out_by(domain)
        return f"the filter {rule.name!r} lets nothing in that comes from {domain}" if rule is not None else ""

    def startService(self) -> None:
        super().startService()
        self._restore()
        self._saving.start(SAVE_SECONDS, now=False)
        self._looking.start(LOOK_SECONDS, now=False)
        self.withheld.look()
        for each in self._block_lists.values():
            each.start(FIRST_ASKED)

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        for loop in (self._saving, self._looking):
            if loop.running:
                loop.stop()
        for each in self._block_lists.values():
            each.stop()
        return self._save()

    # -- what the border asks ----------------------------------------------------------------------------------------

    def _contacts(self, domain: Domain) -> IsContact | None:
        return self._is_contact if isinstance(self._shared.settings.domains.get(domain), ImDomain) else None

    def _is_contact(self, ours: Address, theirs: Address) -> Deferred[bool] | bool:
        store = self._store()
        return False if store is None else store.relation(ours.bare, theirs.bare).addCallback(_is_in_roster)

    def _contacts_of(self, domain: Domain) -> list[Address] | None:
        owner = self._shared.in_force.domains.owner(domain)
        settings = self._shared.settings.domains.get(owner) if owner is not None else None
        if settings is None:
            return None
        return list(addresses_in(settings.admins))

    # -- lists -------------------------------------------------------------------------------------------------------

    def _replace_lists(self, settings: Settings) -> dict[str, NamedList]:
        """Make the lists. A block list with the same settings continues, and takes the entries that waited."""
        lists: dict[str, NamedList] = {}
        subscriptions: dict[str, BlockListSubscription] = {}
        for name, each in settings.lists.items():
            if each.file is not None:
                lists[name] = self._read_list(name, each.file, each.never)
            elif each.rtbl is not None:
                old = self._block_lists.get(name)
                if old is not None and self._list_settings.get(name) == each:
                    subscriptions[name] = old
                    old.accept()
                else:
                    subscriptions[name] = self._subscription(name, Domain(each.rtbl), each)
                lists[name] = subscriptions[name].named
        for name, old in self._block_lists.items():
            if subscriptions.get(name) is not old:
                old.stop()
        for name, new in subscriptions.items():
            if self._block_lists.get(name) is not new and self.running:
                new.start()
        self._block_lists, self._list_settings = subscriptions, dict(settings.lists)
        return lists

    def _read_list(self, name: str, file: Path, never: Iterable[str]) -> NamedList:
        made = NamedList(name, str(file), never)
        try:
            made.entries, _ = read_list_file(file)
        except (OSError, UnicodeDecodeError) as error:  # it could be read when the configuration was checked
            made.state = f"cannot be read: {error}"
        else:
            made.state, made.is_well, made.since = "ready", True, self._shared.time_of_day()
        return made

    def _subscription(self, name: str, service: Domain, settings: ListSettings) -> BlockListSubscription:
        named = NamedList(name, f"{service} {settings.node}", settings.never, service)
        self._restore_list(named)
        return BlockListSubscription(
            named,
            service=service,
            node=settings.node,
            ours=self.asking_address("lists"),
            ask=self.ask,
            clock=self._shared.reactor,
            time_of_day=self._shared.time_of_day,
            random=SystemRandom(),
            changed=self._list_changed,
        )

    def asking_address(self, resource: str) -> Address:
        """Return an address in the first domain that is ours alone; a relayed server does not know our questions."""
        domains = self._shared.settings.domains
        own = (name for name, each in domains.items() if not isinstance(each, RelayDomain))
        return Address.make("", next(own, next(iter(domains))), resource)

    def ask(self, question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """Send our own question; `answered` is called with its answer."""
        self._router.own_questions.ask(question, answered)
        self._router.pass_on(question)
        self._shared.reactor.callLater(0, self._router.flush)  # not amid a batch, whose reader is told what to wait for

    def _taken(self, stanza: AddressedStanza) -> bool:
        return any(each.take(stanza) for each in self._block_lists.values())

    def _list_changed(self, changed: BlockListSubscription) -> None:
        self.border.changed()
        lines = [f"{entry}\n" for entry in changed.named.entries]
        file = list_file(self._shared.settings.gateway.state, changed.named.name)
        deferToThread(write_whole, file, lines).addErrback(self._not_written, file)

    def _restore_list(self, named: NamedList) -> None:
        """Use the last known entries until the service has answered."""
        file = list_file(self._shared.settings.gateway.state, named.name)
        try:
            named.entries, _ = read_list_file(file)
            named.since = file.stat().st_mtime
            named.is_well = True
            named.state = f"{len(named.entries)} entries saved earlier are used until the service answers"
        except FileNotFoundError:
            named.state, named.is_well = "the service has not answered yet", True
        except (OSError, UnicodeDecodeError) as error:
            named.state = f"the service has not answered yet, and {file} cannot be read: {error}"

    def _attempted(self, notice: Notice) -> None:
        """Note whether the service of block lists is within reach."""
        assert isinstance(notice, Attempt)
        of_service = [each for each in self._block_lists.values() if each.service == notice.remote]
        if not of_service:
            return
        service = of_service[0].service
        if notice.verdict.is_failure:
            self._out_of_reach.add(service)
        elif service in self._out_of_reach:
            self._out_of_reach.discard(service)
            for each in of_service:
                each.reached_again()

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
        return deferToThread(write_whole, self._file, lines).addErrback(self._not_written, self._file)

    def _not_written(self, failure: Failure, file: Path) -> None:
        if file == self._file:
            self.border.acquaintances.has_changed = True  # so that it is tried again
        self._log.warn("{file} cannot be written: {failure.value}", file=file, failure=failure)


def _is_in_roster(relation: Relation) -> bool:
    return relation.item is not None
