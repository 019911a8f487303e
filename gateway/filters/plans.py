"""Plans: the rules that can apply between two domains, computed once for each pair.

Most pairs have no plan, and their stanzas are not examined. A plan is forgotten when the rules or the lists change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.filters.conditions import (
    QuickTest,
    Surroundings,
    Test,
    applies,
    covers,
    holds_for_all,
    tests_of,
)
from gateway.filters.interfaces import FilterFunction, IFilter
from gateway.filters.rules import ENDS, Act, Crossing, FilterRule
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import AddressedStanza


class PlanStep(NamedTuple):
    """One rule of a plan: its tests, and the function of its filter, if that is written in Python.

    The tests are asked about a stanza that passes the quick test.
    """

    rule: FilterRule
    quick_test: QuickTest | None
    tests: tuple[Test, ...]
    function: FilterFunction | None


@dataclass(frozen=True, eq=False, slots=True)
class Plan:
    """The rules for the stanzas of one pair.

    `is_noted`: recipients become acquaintances; `may_be_ours`: a block list may send updates.
    """

    pair: DomainPair
    direction: Crossing
    steps: tuple[PlanStep, ...]
    is_noted: bool = False
    may_be_ours: bool = False

    def first_step(self, stanza: AddressedStanza) -> int | None:
        """Return the place of the first step whose quick test a stanza passes; None if no rule holds."""
        for place, (_, quick_test, _, _) in enumerate(self.steps):
            if quick_test is None or quick_test(stanza):
                return place
        return None


class Planner:
    """Makes the plans for one set of rules."""

    def __init__(self, rules: Sequence[FilterRule], around: Surroundings, filters: Mapping[str, IFilter]) -> None:
        """`filters` are the filters written in Python, by the name of their rule."""
        self.rules = rules
        self._around = around
        self._filters = filters
        self.asks_for_strangers = any(rule.when.stranger is not None for rule in rules)

    def plan(self, pair: DomainPair, direction: Crossing, may_be_ours: bool = False) -> Plan | None:
        """Return the plan for a pair; None if its stanzas pass unexamined."""
        steps = tuple(self._steps(pair, direction))
        is_noted = self.asks_for_strangers and direction is Crossing.OUT
        return Plan(pair, direction, steps, is_noted, may_be_ours) if steps or is_noted or may_be_ours else None

    def _steps(self, pair: DomainPair, direction: Crossing) -> Iterator[PlanStep]:
        for rule in self.rules:
            tests = tests_of(rule, pair, direction, self._around) if applies(rule, pair, direction) else None
            if tests is None:
                continue
            function = None
            if rule.decision.act is Act.ASK:
                function = self._filters[rule.name].plan(pair)
                if function is None:
                    continue
            quick_test, others = tests
            yield PlanStep(rule, quick_test, others, function)
            if quick_test is None and not others and rule.decision.act in ENDS and not rule.dry_run:
                return  # later rules never apply

    def shut_out_by(self, domain: Domain) -> FilterRule | None:
        """Return the rule that shuts out everything from a domain; None if something may come in."""
        for rule in self.rules:
            if rule.dry_run or Crossing.IN not in rule.when.directions or not covers(rule.when.senders, domain):
                continue
            if rule.decision.act in (Act.DROP, Act.BOUNCE):
                if not rule.when.targets and holds_for_all(rule, domain, self._around):
                    return rule
            elif rule.decision.act in (Act.PASS, Act.HOLD, Act.ASK):
                return None
        return None


def is_about(rule: FilterRule, domain: Domain) -> bool:
    """Return whether a rule can apply to stanzas from an outside domain, or to it."""
    when = rule.when
    return (Crossing.IN in when.directions and covers(when.senders, domain)) or (
        Crossing.OUT in when.directions and covers(when.targets, domain)
    )
