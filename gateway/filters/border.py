"""Border: the router asks it about every stanza between two domains, before it delivers any of them.

`plan` returns the rules for the stanzas between two domains; `lets_through` applies them to one stanza, and returns
False if it has ended here, or waits for a verdict. Later stanzas of a pair stay in order behind one that waits.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.filters.acquaintances import Acquaintances
from gateway.filters.conditions import ContactTestOf, Excess, Seen, Surroundings
from gateway.filters.interfaces import IFilter
from gateway.filters.laws import lawful
from gateway.filters.lists import Digests, ListState, NamedList
from gateway.filters.notices import FilterDecided
from gateway.filters.plans import Plan, Planner, is_about
from gateway.filters.rules import ENDS, Act, Crossing, Decision, FilterRule
from gateway.notices.notices import Publish
from gateway.routing.interfaces import IBorder
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import ConfigError, StanzaCondition, StanzaDropped, StanzaError
from gateway.xmpp.stanzas import AddressedStanza

MOST_PLANS = 10_000
"""The pairs of domains whose plan is cached; beyond this, all plans are made again as they are needed."""
MOST_BEHIND = 1000
"""The stanzas of one pair that may wait behind one being judged; further ones are bounced: resource-constraint."""
JUDGE_SECONDS = 2.0
RULE = "filter"
"""The name, in the log, of the rule that drops a stanza for a filter."""


class Passing(Protocol):
    """The router, as the border needs it."""

    def pass_on(self, stanza: AddressedStanza) -> None: ...
    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None: ...
    def end(self, stanza: AddressedStanza, why: StanzaDropped) -> None: ...
    def flush(self) -> Deferred[None] | None: ...


class Withholding(Protocol):
    """Holds stanzas back for an operator to look at."""

    def withhold(self, pair: DomainPair, stanza: AddressedStanza, rule: str) -> bool:
        """Hold a stanza back; return False if there is no room."""


Report = Callable[[FilterRule, AddressedStanza], None]
_Decided = Generator[Deferred[Any], Any, tuple[FilterRule | None, Decision]]
_PASSED = (None, Decision(act=Act.PASS))
_BUSY = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too many stanzas are waiting to be checked")


@implementer(IBorder)
class Border:
    """The rules in force, and the stanzas that wait for a verdict."""

    _log = Logger("gateway.filters")

    def __init__(
        self,
        *,
        router: Passing,
        is_own: Callable[[Domain], bool],
        acquaintances: Acquaintances,
        contacts: ContactTestOf,
        clock: IReactorTime,
        time_of_day: Callable[[], float],
        publish: Publish,
        withholding: Withholding,
        report: Report,
        taken: Callable[[AddressedStanza], bool] = lambda stanza: False,
    ) -> None:
        """`taken` returns whether a stanza is for the gateway itself: an update from a block list."""
        self.acquaintances = acquaintances
        self.lists: Mapping[str, NamedList] = {}
        self.counts: Counter[tuple[str, str]] = Counter()  # by rule and by what was done
        self._router = router
        self._is_own = is_own
        self._contacts = contacts
        self._clock = clock
        self._time_of_day = time_of_day
        self._publish = publish
        self._withholding = withholding
        self._report = report
        self._taken = taken
        self._services: frozenset[Domain] = frozenset()  # of block lists
        self._digests = Digests()
        self._excesses: dict[str, Excess] = {}
        self._planner = Planner((), self._surroundings(), {})
        self._plans: dict[tuple[Domain, Domain], Plan | None] = {}
        self._behind: dict[DomainPair, deque[tuple[Plan, AddressedStanza]]] = {}
        self._rooms: list[Deferred[None]] = []

    # -- the rules in force ------------------------------------------------------------------------------------------

    @property
    def rules(self) -> Sequence[FilterRule]:
        """The rules, in order."""
        return self._planner.rules

    def replace(
        self, rules: Sequence[FilterRule], lists: Mapping[str, NamedList], filters: Mapping[str, IFilter] | None = None
    ) -> None:
        """Use these rules and lists from now on; rates of unchanged rules keep their counts."""
        filters = make_filters(rules) if filters is None else filters
        excesses = {}
        for rule in rules:
            if (rate := rule.when.rate) is not None:
                old = self._excesses.get(rule.name)
                excesses[rule.name] = old if old and old.rate == rate else Excess(rate, self._clock.seconds)
        self.lists, self._excesses = lists, excesses
        self._services = frozenset(each.service for each in lists.values() if each.service is not None)
        self._planner = Planner(tuple(rules), self._surroundings(), filters)
        self.changed()

    def changed(self) -> None:
        """Forget all plans, because a list has changed, and with it which rules can apply."""
        self._plans.clear()

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            lists=self.lists,
            digests=self._digests,
            acquaintances=self.acquaintances,
            contacts=self._contacts,
            excesses=self._excesses,
            time_of_day=self._time_of_day,
        )

    def lists_now(self) -> list[ListState]:
        """Return the state of each list, for an operator."""
        return [each.look() for each in self.lists.values()]

    def shut_out_by(self, domain: Domain) -> FilterRule | None:
        """Return the rule that shuts out everything from a domain, if there is one."""
        return self._planner.shut_out_by(domain)

    def rules_about(self, domain: Domain) -> list[str]:
        """Return the names of the rules that can apply to stanzas from an outside domain, or to it."""
        return [rule.name for rule in self.rules if is_about(rule, domain)]

    # -- as an IBorder -----------------------------------------------------------------------------------------------

    def plan(self, sender: Domain, target: Domain) -> Plan | None:
        """Return the rules for these stanzas; None if they pass unexamined."""
        try:
            return self._plans[sender, target]
        except KeyError:
            pass
        if len(self._plans) >= MOST_PLANS:
            self._plans.clear()
        pair = DomainPair(sender, target)
        plan = self._plans[pair] = self._planner.plan(pair, self._direction(pair), sender in self._services)
        return plan

    def _direction(self, pair: DomainPair) -> Crossing:
        if not self._is_own(pair.sender):
            return Crossing.IN
        return Crossing.INSIDE if self._is_own(pair.target) else Crossing.OUT

    def lets_through(self, plan: Plan, stanza: AddressedStanza) -> bool:
        """Return whether the router may have the stanza now."""
        behind = self._behind.get(plan.pair) if self._behind else None
        if behind is None:
            return self._passes(plan, stanza)
        if len(behind) < MOST_BEHIND:
            behind.append((plan, stanza))
        else:
            self._router.bounce(stanza, _BUSY)
        return False

    def undecided(self) -> list[Deferred[None]]:
        """Return a Deferred for each pair that has begun to wait since the last call; it fires when none waits."""
        rooms, self._rooms = self._rooms, []
        return rooms

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _passes(self, plan: Plan, stanza: AddressedStanza) -> bool:
        if plan.may_be_ours and self._taken(stanza):
            return False
        first = plan.first_step(stanza)
        if first is not None:
            return self._look_at(plan, stanza, first)
        self._note(plan, stanza)
        return True

    def _note(self, plan: Plan, stanza: AddressedStanza) -> None:
        """Remember to whom one of ours writes, if that matters; what was dropped or held was not written."""
        if plan.is_noted:
            self.acquaintances.note(stanza, self._time_of_day())

    def _look_at(self, plan: Plan, stanza: AddressedStanza, first: int) -> bool:
        steps = self._decide(plan, stanza, first)
        try:
            wait = next(steps)
        except StopIteration as end:
            return self._carry_out(plan, stanza, *end.value)
        self._behind[plan.pair] = deque()
        room: Deferred[None] = Deferred()
        self._rooms.append(room)
        self._await(wait, steps, plan, stanza, room)
        return False

    def _await(
        self, wait: Deferred[Any], steps: _Decided, plan: Plan, stanza: AddressedStanza, room: Deferred[None]
    ) -> None:
        def resume(result: Any) -> None:
            try:
                further = steps.send(result)
            except StopIteration as end:
                if self._carry_out(plan, stanza, *end.value):
                    self._router.pass_on(stanza)
                self._go_on(plan.pair, room)
            else:
                self._await(further, steps, plan, stanza, room)

        wait.addTimeout(JUDGE_SECONDS, self._clock).addBoth(resume)

    def _go_on(self, pair: DomainPair, room: Deferred[None]) -> None:
        """Examine the stanzas behind it, until one of them has to wait."""
        behind = self._behind.pop(pair)
        while behind:
            plan, stanza = behind.popleft()
            if self._passes(plan, stanza):
                self._router.pass_on(stanza)
            elif pair in self._behind:
                self._behind[pair] = behind
                self._rooms.pop().chainDeferred(room)
                break
        else:
            room.callback(None)
        self._router.flush()

    def _decide(self, plan: Plan, stanza: AddressedStanza, first: int) -> _Decided:
        """Ask the rules in turn, from the first whose quick test the stanza has passed.

        Yield every Deferred that has to be waited for, and take its result, or a Failure.
        """
        seen = Seen(stanza)
        for place in range(first, len(plan.steps)):
            rule, quick_test, tests, function = plan.steps[place]
            if place > first and quick_test is not None and not quick_test(stanza):
                continue
            for test in tests:
                holds: Any = test(seen)
                if isinstance(holds, Deferred):
                    holds = yield holds
                if not holds:
                    break
            else:
                decision = rule.decision
                if function is not None:
                    opinion: Any = self._ask(rule, function, stanza)
                    if isinstance(opinion, Deferred):
                        opinion = yield opinion
                    if isinstance(opinion, Failure):
                        self._failed(rule, opinion)
                        opinion = Decision(act=rule.on_timeout)
                    if opinion is None:
                        continue
                    decision = opinion
                if decision.act in ENDS and not rule.dry_run:
                    return rule, decision
                self._take_note(rule, decision, seen, plan)
        return _PASSED

    def _ask(self, rule: FilterRule, function: Callable[[AddressedStanza], Any], stanza: AddressedStanza) -> Any:
        try:
            return function(stanza)
        except Exception:  # the operator's own code
            return Failure()

    def _failed(self, rule: FilterRule, failure: Failure) -> None:
        if failure.check(TimeoutError):
            self._log.warn(
                "filter {rule!r} has not answered within {seconds:g} s", rule=rule.name, seconds=JUDGE_SECONDS
            )
        else:
            self._log.failure("filter {rule!r} failed", failure, rule=rule.name)

    def _take_note(self, rule: FilterRule, decision: Decision, seen: Seen, plan: Plan) -> None:
        if not rule.dry_run:
            if decision.act is Act.MARK:
                seen.marks |= {decision.mark}
            elif decision.act is Act.REPORT:
                self._report(rule, seen.stanza)
        self._tell(rule, decision, lawful(decision.act, seen.stanza, plan.direction), seen.stanza)

    def _carry_out(self, plan: Plan, stanza: AddressedStanza, rule: FilterRule | None, decision: Decision) -> bool:
        """Do what was decided; return whether the stanza passes."""
        if rule is None:
            self._note(plan, stanza)
            return True
        act = lawful(decision.act, stanza, plan.direction)
        if act is Act.HOLD and not self._withholding.withhold(plan.pair, stanza, rule.name):
            act = Act.BOUNCE
        self._tell(rule, decision, act, stanza)
        if act is Act.PASS:
            self._note(plan, stanza)
            return True
        if act is Act.BOUNCE:
            self._router.bounce(stanza, _refusal(decision))
        elif act is Act.DROP:
            self._router.end(stanza, StanzaDropped(RULE, f"dropped by the filter {rule.name!r}"))
        return False

    def _tell(self, rule: FilterRule, decision: Decision, act: Act, stanza: AddressedStanza) -> None:
        self.counts[rule.name, "dry_run" if rule.dry_run else str(act)] += 1
        self._publish(
            FilterDecided(rule=rule.name, decision=str(decision), act=str(act), dry_run=rule.dry_run, stanza=stanza)
        )


def make_filters(rules: Sequence[FilterRule]) -> dict[str, IFilter]:
    """Make the filters written in Python; raise ConfigError if a factory, which is the operator's own code, fails."""
    made: dict[str, IFilter] = {}
    for rule in rules:
        if rule.factory is None:
            continue
        try:
            made[rule.name] = rule.factory(**rule.options)
        except Exception as error:
            problem = f"{rule.decision.factory} cannot be created: {type(error).__name__}: {error}"
            raise ConfigError(f"filter.{rule.name}.options", problem) from error
    return made


def _refusal(decision: Decision) -> StanzaError:
    """Return the error for the sender, which reveals nothing about the rules."""
    condition = decision.condition if decision.act is Act.BOUNCE else StanzaCondition.SERVICE_UNAVAILABLE
    return StanzaError(condition, reason="refused by a filter")
