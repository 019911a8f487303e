"""One table of the configuration file -> the fields of one settings class.

The annotations and `option`s of a settings class (see `gateway.config.settings`) define once what its table may hold:
types, bounds and defaults. An unknown key is a mistake, and so is a missing key without a default. The field of such a
key is None in the result, but nobody sees it, because reading ends with `Reading.check`.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator
from dataclasses import MISSING
from functools import cache
from typing import Any, TypeGuard, TypeVar, Union, get_args, get_origin, get_type_hints

from gateway.config.reading import KeyPath, Reading, did_you_mean, dotted
from gateway.config.settings import Option, Secret, options_of
from gateway.config.values import convert, read_secret

T = TypeVar("T")


def read_section(reading: Reading, tables: dict[str, Any], name: str, kind: type[T]) -> T:
    """Return the table of that name as that class, whose fields are all options."""
    return kind(**read_table(reading, (name,), tables.get(name, {}), kind))


def read_table(
    reading: Reading, key: KeyPath, table: object, *kinds: type, besides: Iterable[str] = (), complete: bool = True
) -> dict[str, Any]:
    """Return the values that the table gives for the options of these classes, by field.

    `besides` are keys that are read elsewhere. A table that is not `complete` may lack keys without a default.
    """
    if not is_table(table, reading, key):
        table = {}
    fields = {said.key or each.name: (kind, each.name, said) for kind in kinds for each, said in options_of(kind)}
    known = {name: (hint_of(kind, field), said) for name, (kind, field, said) in fields.items()}
    files = {f"{name}_file" for name, (hint, _) in known.items() if _bare(hint) is Secret}
    for name in table.keys() - known.keys() - files - set(besides):
        reading.unknown((*key, name), table[name], [*known, *files, *besides])
    given = {}
    for name, (hint, said) in known.items():
        field = fields[name][1]
        if _bare(hint) is Secret and f"{name}_file" in table:
            given[field] = read_secret(reading, (*key, name), table)
        elif name in table:
            given[field] = _read_value(reading, (*key, name), table[name], hint, said)
    return {**_missing(reading, key, given, kinds), **given} if complete else given


def is_table(table: object, reading: Reading, key: KeyPath) -> TypeGuard[dict[str, Any]]:
    """Return whether this is a table; record a mistake if it is not."""
    if not isinstance(table, dict):
        reading.wrong(key, f"a table is needed, not {table!r}")
    return isinstance(table, dict)


def named_tables(
    reading: Reading, key: KeyPath, tables: object, known: Iterable[str]
) -> Iterator[tuple[KeyPath, str, dict[str, Any]]]:
    """Yield the tables that are named after domains, each with its key and name; `known` are the keys they may have."""
    for name, table in tables.items() if is_table(tables, reading, key) else ():
        if not is_table(table, reading, (*key, name)):
            continue
        if parts := _unquoted_name(table, known):
            reading.wrong((*key, name), f"dots separate tables: write [{dotted((*key, '.'.join((name, *parts))))}]")
        else:
            yield (*key, name), name, table


def _unquoted_name(table: dict[str, Any], known: Iterable[str]) -> KeyPath:
    """Return the rest of a domain that was written without quotes, so that each label became a table."""
    if len(table) != 1 or (name := next(iter(table))) in known or not isinstance(table[name], dict):
        return ()
    return (name, *_unquoted_name(table[name], known))


def hint_of(kind: type, name: str) -> Any:
    """Return the type of a field."""
    return _hints(kind)[name]


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Return the types of all fields, each of which is evaluated once."""
    return get_type_hints(kind)


def _missing(reading: Reading, key: KeyPath, given: dict[str, Any], kinds: Iterable[type]) -> dict[str, Any]:
    """Return None for each field that has no default and was not given."""
    missing: dict[str, Any] = {}
    for kind in kinds:
        for each, said in options_of(kind):
            if each.name not in given and each.default is MISSING and each.default_factory is MISSING:
                or_file = f", or {each.name}_file" if hint_of(kind, each.name) is Secret else ""
                reading.wrong((*key, each.name), f"is needed{or_file}: {said.description}")
                missing[each.name] = None
    return missing


def _read_value(reading: Reading, key: KeyPath, value: object, hint: Any, said: Option) -> Any:
    """Return the value as the field holds it; None, and a mistake for each problem, if it cannot be used."""
    kind = _bare(hint)
    if get_origin(kind) is not tuple:
        return _read_one(reading, key, value, kind, said)
    if not isinstance(value, list):
        reading.wrong(key, f"a list is needed, not {value!r}: put it in brackets")
        return None
    for repeated in {str(each): each for each in value if value.count(each) > 1}.values():
        reading.wrong(key, f"{repeated!r} is listed twice")
    items = [_read_one(reading, key, item, get_args(kind)[0], said) for item in value]
    return None if None in items else tuple(items)


def _read_one(reading: Reading, key: KeyPath, value: object, kind: Any, said: Option) -> Any:
    try:
        return _within(convert(reading.folder, value, kind), said)
    except ValueError as error:
        reading.wrong(key, str(error))
        return None


def _within(value: Any, said: Option) -> Any:
    if said.at_least is not None and value < said.at_least:
        raise ValueError(f"{value:g} is too small: at least {said.least_in_words}")
    if said.one_of and value not in said.one_of:
        choices = ", ".join(map(repr, said.one_of))
        raise ValueError(f"{value!r} is not one of {choices}{did_you_mean(value, said.one_of)}")
    return value


def _bare(hint: Any) -> Any:
    """Return the type without `| None`."""
    if get_origin(hint) in (Union, types.UnionType):
        (hint,) = (each for each in get_args(hint) if each is not type(None))
    return hint
