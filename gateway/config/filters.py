"""`[[filter]]` and `[lists]`: the rules at the border, and the lists that they use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from twisted.python.reflect import namedAny

from gateway.config.reading import KeyPath, Reading, did_you_mean
from gateway.config.services import misfit
from gateway.config.settings import FilterSettings, ListSettings, WhenSettings, Words
from gateway.config.tables import is_table, read_table
from gateway.filters.interfaces import IFilter
from gateway.filters.lists import read_entry, read_list_file
from gateway.filters.rules import (
    DEFAULT_DIRECTIONS,
    Act,
    Crossing,
    Decision,
    FilterRule,
    When,
    parse_decision,
    parse_language,
    parse_party,
    parse_payload,
    parse_rate,
)
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.stanzas import NAMES, TYPES

T = TypeVar("T")

_KINDS = {kind: kind for kind in NAMES}
_TYPES = {type_: type_ for types in (*TYPES.values(), {"get", "set", "result", "available"}) for type_ in types}
_DIRECTIONS = {str(direction): direction for direction in Crossing}
_NOTHING = Decision(act=Act.PASS)  # in place of a decision that cannot be read
_MOST_SHOWN = 5  # invalid lines of one file


def read_lists(reading: Reading, tables: object) -> dict[str, ListSettings]:
    """Return the lists, by name; files are read here only to check that they can be."""
    lists: dict[str, ListSettings] = {}
    for name, table in tables.items() if is_table(tables, reading, ("lists",)) else ():
        key = ("lists", name)
        settings = ListSettings(**read_table(reading, key, table, ListSettings))
        if (settings.file is None) == (settings.rtbl is None):
            reading.wrong(key, "needs either `file`, or `rtbl` with the address of a block list service")
        _check_file(reading, key, settings)
        if settings.rtbl is not None:
            rtbl = _parsed(reading, (*key, "rtbl"), settings.rtbl, prepare_domain)
            settings = replace(settings, rtbl=rtbl)
        never = _all_parsed(reading, (*key, "never"), settings.never, read_entry)
        lists[name] = replace(settings, never=Words(never))
    return lists


def _check_file(reading: Reading, key: KeyPath, settings: ListSettings) -> None:
    if settings.file is None:
        return
    try:
        _, wrong = read_list_file(settings.file)
    except OSError as error:
        reading.wrong((*key, "file"), f"cannot read {settings.file}: {error.strerror}")
    except UnicodeDecodeError:
        reading.wrong((*key, "file"), f"{settings.file} does not hold UTF-8 text")
    else:
        for problem in wrong[:_MOST_SHOWN]:
            reading.wrong((*key, "file"), f"{settings.file}, {problem}")
        if len(wrong) > _MOST_SHOWN:
            reading.wrong((*key, "file"), f"{settings.file}: {len(wrong) - _MOST_SHOWN} more lines are wrong")


def read_filters(reading: Reading, tables: object, lists: Mapping[str, ListSettings]) -> tuple[FilterRule, ...]:
    """Return the rules, in the order of the file."""
    if not isinstance(tables, list):
        reading.wrong(("filter",), "each rule is a separate table: write [[filter]]")
        return ()
    rules: dict[str, FilterRule] = {}
    for number, table in enumerate(tables, 1):
        rule = _read_rule(reading, number, table, lists)
        if rule.name in rules:
            reading.wrong(("filter",), f"two rules are named {rule.name!r}")
        rules[rule.name] = rule
    _check_marks(reading, rules.values())
    return tuple(rules.values())


def _read_rule(reading: Reading, number: int, table: object, lists: Mapping[str, ListSettings]) -> FilterRule:
    name = table.get("name") if isinstance(table, dict) else None
    key: KeyPath = ("filter", name if isinstance(name, str) and name else f"#{number}")
    settings = FilterSettings(**read_table(reading, key, table, FilterSettings))
    decision = _parsed(reading, (*key, "then"), settings.then, parse_decision) or _NOTHING
    rule = FilterRule(
        name=settings.name or "",
        when=_read_when(reading, (*key, "when"), settings.when or {}, lists),
        decision=decision,
        dry_run=bool(settings.dry_run),
        options=settings.options or {},
        on_timeout=Act(settings.on_timeout or "pass"),
    )
    if decision.act is Act.ASK:
        return replace(rule, factory=_factory(reading, key, decision.factory, rule.options))
    if rule.options:
        reading.wrong((*key, "options"), "are only for a filter in Python, and `then` names none")
    return rule


def _read_when(reading: Reading, key: KeyPath, table: object, lists: Mapping[str, ListSettings]) -> When:
    settings = WhenSettings(**read_table(reading, key, table, WhenSettings))

    def words(name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        field = "from_" if name == "from" else name
        return _all_parsed(reading, (*key, name), getattr(settings, field) or (), parse)

    when = When(
        directions=frozenset(words("direction", _one_of(_DIRECTIONS))) or DEFAULT_DIRECTIONS,
        senders=words("from", parse_party),
        targets=words("to", parse_party),
        kinds=frozenset(words("kind", _one_of(_KINDS))),
        types=frozenset(words("type", _one_of(_TYPES))),
        payloads=words("payload", parse_payload),
        larger_than=settings.larger_than,
        urls=settings.urls,
        stranger=settings.stranger,
        rate=_parsed(reading, (*key, "rate"), settings.rate, parse_rate) if settings.rate else None,
        listed=words("listed", str),
        languages=words("language", parse_language),
        marked=words("marked", str),
    )
    for name in sorted(when.lists - lists.keys()):
        reading.wrong(key, f"there is no [lists.{name}]{did_you_mean(name, lists)}")
    return when


def _one_of(known: Mapping[str, T]) -> Callable[[str], T]:
    def parse(word: str) -> T:
        if word not in known:
            raise ValueError(f"{word!r} is not one of {', '.join(map(repr, sorted(known)))}{did_you_mean(word, known)}")
        return known[word]

    return parse


def _parsed(reading: Reading, key: KeyPath, text: str | None, parse: Callable[[str], T]) -> T | None:
    try:
        return parse(text) if text else None
    except ValueError as error:
        reading.wrong(key, str(error))
        return None


def _all_parsed(
    reading: Reading, key: KeyPath, texts: Iterable[str] | None, parse: Callable[[str], T]
) -> tuple[T, ...]:
    found = (_parsed(reading, key, text, parse) for text in texts or ())
    return tuple(each for each in found if each is not None)


def _factory(reading: Reading, key: KeyPath, name: str, options: Mapping[str, Any]) -> Callable[..., Any] | None:
    try:
        factory: Callable[..., Any] = namedAny(name)
    except Exception as error:  # whatever a module of the operator's raises while it is imported
        reading.wrong((*key, "then"), f"{name} cannot be imported: {type(error).__name__}: {error}")
        return None
    if not callable(factory) or not IFilter.implementedBy(factory):
        reading.wrong((*key, "then"), f"{name} is not a filter: it must be a class with @implementer(IFilter)")
        return None
    if problem := misfit(factory, options):
        reading.wrong((*key, "options"), f"{name} does not accept them: {problem}")
    return factory


def _check_marks(reading: Reading, rules: Any) -> None:
    """Check that an earlier rule sets each mark that a rule asks for."""
    known: set[str] = set()
    for rule in rules:
        for mark in rule.when.marked:
            if mark not in known:
                reading.wrong(("filter", rule.name, "when"), f"no rule before this one sets the mark {mark!r}")
        if rule.decision.act is Act.MARK:
            known.add(rule.decision.mark)
