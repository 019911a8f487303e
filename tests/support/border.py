"""A border without streams: a real router and real rules, stanzas pushed in, and the end of each.

border = BorderHarness("[[filter]]\\nname = 'a'\\nwhen = { urls = true }\\nthen = 'drop'")
border.push("<message from='eve@evil.test/x' to='room@ours.test'><body>http://x</body></message>")
assert border.log == []                       # what the routes got, in order
assert border.ends == ["message dropped: filter"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from gateway.config.filters import read_filters
from gateway.config.reading import Reading
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.border import Border
from gateway.filters.lists import Entries, NamedList, read_entry
from gateway.filters.notices import FilterDecided
from gateway.filters.rules import FilterRule
from gateway.notices.notices import Notice, StanzaBounced
from gateway.routing.interfaces import IRoute
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.stanzas import AddressedStanza, Stanza
from tests.support.trees import stanza

OURS, ALSO_OURS = Domain("ours.test"), Domain("also.test")


def rules_of(text: str, *lists: str) -> tuple[FilterRule, ...]:
    """Return the rules that a configuration has; raise Mistakes."""
    reading = Reading(Path("gateway.toml"))
    rules = read_filters(reading, tomllib.loads(text).get("filter", []), dict.fromkeys(lists))
    reading.check()
    return rules


@implementer(IRoute)
class WrittenDown:
    """A route that writes down what it gets."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def deliver(self, stanza: Stanza) -> None:
        self._log.append(f"{stanza.name} {stanza.type or '-'} {stanza.id or '-'} to {stanza.to}")

    def flush(self) -> Deferred[None] | None:
        return None


class BorderHarness:
    """Two of our domains, and everybody else."""

    def __init__(
        self,
        text: str = "",
        *,
        lists: Mapping[str, list[str]] | None = None,
        contacts: Callable[[Address, Address], Any] | None = None,
        never: Iterable[str] = (),
        services: Mapping[str, Domain] | None = None,
        taken: Callable[[AddressedStanza], bool] = lambda stanza: False,
    ) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.held: list[str] = []
        self.reported: list[str] = []
        self.has_room = True
        self._notices: list[Notice] = []
        route = WrittenDown(self.log)
        self.router = Router(
            Domains({OURS: DomainRule(with_subdomains=True), ALSO_OURS: DomainRule()}),
            lambda pair: route,
            self._notices.append,
        )
        self.router.attach(OURS, route)
        self.router.attach(ALSO_OURS, route)
        self.border = Border(
            router=self.router,
            is_own=self.router.domains.is_own,
            acquaintances=Acquaintances(),
            contacts=lambda domain: contacts,
            clock=self.clock,
            time_of_day=self.clock.seconds,
            publish=self._notices.append,
            withholding=self,
            report=lambda rule, stanza: self.reported.append(f"{rule.name}: {stanza.from_}"),
            taken=taken,
        )
        self.router.border = self.border
        self.lists: dict[str, NamedList] = {}
        for name, entries in (lists or {}).items():
            self.lists[name] = NamedList(name, "a test", never, (services or {}).get(name))
            self.lists[name].entries = Entries(map(read_entry, entries))
        self.rule(text)

    def rule(self, text: str) -> None:
        """Go by these rules from now on."""
        self.border.replace(rules_of(text, *self.lists), self.lists)

    def withhold(self, pair: DomainPair, held: Stanza, rule: str) -> bool:
        if self.has_room:
            self.held.append(f"{held.name} {held.id or '-'}: {rule}")
        return self.has_room

    def push(self, *texts: str) -> Deferred[None] | None:
        """Route stanzas one after the other, and flush; the answer is that of the flush."""
        for text in texts:
            self.router.route(stanza(text))
        return self.router.flush()

    def push_all(self, *texts: str) -> Deferred[None] | None:
        """Route a batch of stanzas that are all between the same two domains."""
        batch = [stanza(text) for text in texts]
        assert batch[0].from_ is not None
        assert batch[0].to is not None
        self.router.route_all(batch)
        return self.router.flush()

    def heard(self) -> list[str]:
        """Return what the routes got since the last time."""
        got, self.log[:] = list(self.log), []
        return got

    def forget(self) -> None:
        """Forget what the routes got, how stanzas ended and what was counted: for very many stanzas."""
        self.log.clear()
        self._notices.clear()
        self.border.counts.clear()

    @property
    def ends(self) -> list[str]:
        """Return how stanzas ended that no route got: the condition, and whether the sender got an error."""
        return [
            f"{each.name} {'bounced' if each.answered else 'dropped'}: {each.condition}"
            for each in self._notices
            if isinstance(each, StanzaBounced)
        ]

    @property
    def audit(self) -> list[str]:
        """The sentences of the audit records."""
        return [each.sentence for each in self._notices if isinstance(each, FilterDecided)]
