"""Both providers of IStore give the same answers to any sequence of requests."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import execute

from gateway.storage.files import prepare
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.storage.sqlite import SqliteStore
from gateway.xmpp.errors import GatewayError
from tests.unit.storage.contract import (
    BENVOLIO,
    BOTH_HASHES,
    JULIET,
    NURSE,
    ROMEO,
    SHA_1,
    SHA_256,
    listing,
    now,
    put,
)

LIMITS = StoreLimits(
    roster_items=2,
    requests=2,
    offline_messages=3,
    offline_bytes=8,
    blocked=2,
    documents=2,
    service_values=2,
    service_value_bytes=4,
    forgotten_contacts=1,
)

EPOCH = "epoch"

accounts = st.sampled_from([JULIET, NURSE])
contacts = st.sampled_from([ROMEO, NURSE, BENVOLIO])
small = st.binary(max_size=4)


@st.composite
def relation_updates(draw: st.DrawFn) -> tuple[Any, ...]:
    contact = draw(contacts)
    renamed = st.sampled_from(["", "a"]).map(lambda name: listing(contact, name=name))
    requested = (st.none() | small).map(lambda request: put(request=request))
    return "update_relation", draw(accounts), contact, draw(renamed | requested | st.just(put(item=None)))


requests = st.one_of(
    relation_updates(),
    st.tuples(st.just("add_account"), accounts, st.lists(st.sampled_from([SHA_1, SHA_256]), max_size=2)),
    st.tuples(st.just("set_keys"), accounts, st.lists(st.sampled_from([SHA_1, SHA_256]), max_size=2)),
    st.tuples(st.just("delete_account"), accounts),
    st.tuples(st.just("keys"), accounts, st.permutations(BOTH_HASHES)),
    st.tuples(st.just("accounts"), st.none() | st.just("example.com")),
    st.tuples(st.just("roster"), accounts),
    st.tuples(st.just("roster_changes"), accounts, st.integers(0, 6).map((EPOCH + "-%d").__mod__)),
    st.tuples(st.just("requests"), accounts),
    st.tuples(st.just("add_offline"), accounts, small),
    st.tuples(st.just("offline"), accounts, st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("remove_offline"), accounts, st.lists(st.integers(0, 6), max_size=3)),
    st.tuples(st.just("block"), accounts, st.lists(contacts, max_size=3)),
    st.tuples(st.just("unblock"), accounts, st.none() | st.lists(contacts, max_size=3)),
    st.tuples(st.just("blocked"), accounts),
    st.tuples(st.just("set_document"), accounts, st.sampled_from("abc"), st.none() | small),
    st.tuples(st.just("document"), accounts, st.sampled_from("abc")),
    st.tuples(st.just("set_value"), accounts, st.sampled_from("abc"), st.none() | small),
    st.tuples(st.just("values"), accounts, st.sampled_from(["", "a"])),
)


def sqlite_in_memory() -> SqliteStore:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    prepare(connection, Path("in memory"))
    return SqliteStore(connection, run=execute, token=lambda: EPOCH, limits=LIMITS)


def outcome(store: Any, method: str, arguments: tuple[Any, ...]) -> Any:
    try:
        return now(getattr(store, method)(*arguments))
    except GatewayError as error:
        return type(error), str(error)


@settings(deadline=None)
@given(st.lists(requests, max_size=40))
def test_every_answer_and_every_refusal_is_the_same(sequence: list[tuple[Any, ...]]) -> None:
    stores = [MemoryStore(token=lambda: EPOCH, limits=LIMITS), sqlite_in_memory()]
    for store in stores:
        now(store.add_account(JULIET, [SHA_256]))
    for method, *arguments in sequence:
        in_memory, in_file = (outcome(store, method, tuple(arguments)) for store in stores)
        assert in_memory == in_file, (method, arguments)
    now(stores[1].close())


changes = st.tuples(contacts, st.sampled_from([None, "", "a", "b"]))  # removed, or renamed


@settings(deadline=None)
@given(st.lists(changes, max_size=12), st.integers(0, 12))
def test_client_that_follows_changes_has_the_roster_that_it_would_have_read(
    steps: list[tuple[str, str | None]], at: int
) -> None:
    store = sqlite_in_memory()
    now(store.add_account(JULIET, []))
    rosters = [now(store.roster(JULIET))]
    for contact, name in steps:
        change = put(item=None) if name is None else listing(contact, name=name)
        outcome(store, "update_relation", (JULIET, contact, change))
        rosters.append(now(store.roster(JULIET)))
    remembered = rosters[min(at, len(steps))]
    changed = now(store.roster_changes(JULIET, remembered.version))
    if changed is not None:
        followed = {item.contact: item for item in remembered.items} | {each.contact: each.item for each in changed}
        assert {item for item in followed.values() if item} == set(rosters[-1].items)
    now(store.close())
