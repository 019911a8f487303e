"""What every store promises: the same tests for each provider of IStore.

A provider's test class gives `open(**limits)`, and `ask` where its methods are not to be called in the test's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage.errors import AccountExists, NoSuchAccount, StoreFull, StoreUnavailable
from gateway.storage.interfaces import IStore
from gateway.storage.records import (
    Relation,
    Roster,
    RosterChange,
    RosterItem,
    StoreLimits,
    Subscription,
    SubscriptionRequest,
)
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError

JULIET = "juliet@example.com"
ROMEO = "romeo@example.net"
NURSE = "nurse@example.com"
BENVOLIO = "benvolio@example.net"

UNLIMITED = StoreLimits(offline_messages=10_000_000, offline_bytes=10_000_000_000)

SHA_256 = ScramKeys(hash=ScramHash.SHA_256, salt=b"salt", iterations=4096, stored_key=b"s" * 32, server_key=b"k" * 32)
SHA_1 = ScramKeys(hash=ScramHash.SHA_1, salt=b"salz", iterations=10_000, stored_key=b"s" * 20, server_key=b"k" * 20)
BOTH_HASHES = (ScramHash.SHA_256, ScramHash.SHA_1)

REQUEST = b"<presence from='romeo@example.net' type='subscribe'/>"
ITEM = RosterItem(
    contact=ROMEO,
    name="Romeo \U0001f339",
    groups=frozenset({"Montagues", 'Friends, and "more"'}),
    subscription=Subscription.TO,
    ask=True,
    approved=True,
)


def now(deferred: Deferred[Any]) -> Any:
    """The result of a Deferred that has fired, or its exception."""
    outcome: list[Any] = []
    failures: list[Any] = []
    deferred.addCallbacks(outcome.append, failures.append)
    if failures:
        failures[0].raiseException()
    return outcome[0]


def put(**fields: Any) -> Callable[[Relation], Relation]:
    """A change to these fields of a relation."""
    return lambda relation: replace(relation, **fields)


def listing(contact: str, **fields: Any) -> Callable[[Relation], Relation]:
    """A change to this roster item."""
    return put(item=RosterItem(contact=contact, **fields))


class StoreContract:
    """The tests; a subclass says how to get a store."""

    def open(self, limits: StoreLimits) -> Any:
        raise NotImplementedError

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        return now(method(*args, **kwargs))

    def open_for_juliet(self, limits: StoreLimits = StoreLimits()) -> Any:
        store = self.open(limits)
        self.ask(store.add_account, JULIET, [SHA_256, SHA_1])
        return store

    @pytest.fixture
    def store(self) -> Iterator[Any]:
        store = self.open_for_juliet()
        yield store
        self.ask(store.close)

    def change(self, store: Any, contact: str, change: Callable[[Relation], Relation], account: str = JULIET) -> Any:
        return self.ask(store.update_relation, account, contact, change)

    def version(self, store: Any) -> str:
        version: str = self.ask(store.roster, JULIET).version
        return version

    def test_provides_the_interface(self, store: Any) -> None:
        assert verifyObject(IStore, store)

    # Accounts

    def test_account_is_there_after_it_was_added(self, store: Any) -> None:
        assert self.ask(store.has_account, JULIET)
        assert not self.ask(store.has_account, ROMEO)

    def test_adding_an_account_twice_fails_and_keeps_the_first(self, store: Any) -> None:
        with pytest.raises(AccountExists, match=JULIET):
            self.ask(store.add_account, JULIET, [])
        assert self.ask(store.keys, JULIET, BOTH_HASHES) == SHA_256

    def test_accounts_are_listed_in_order_by_domain_or_all(self, store: Any) -> None:
        for account in (ROMEO, NURSE):
            self.ask(store.add_account, account, [])
        assert self.ask(store.accounts) == (JULIET, NURSE, ROMEO)
        assert self.ask(store.accounts, "example.com") == (JULIET, NURSE)
        assert self.ask(store.accounts, "ample.com") == ()

    def test_keys_are_those_of_the_first_hash_that_is_there(self, store: Any) -> None:
        self.ask(store.add_account, NURSE, [SHA_1])
        assert self.ask(store.keys, JULIET, BOTH_HASHES) == SHA_256
        assert self.ask(store.keys, JULIET, BOTH_HASHES[::-1]) == SHA_1
        assert self.ask(store.keys, NURSE, BOTH_HASHES) == SHA_1
        assert self.ask(store.keys, NURSE, [ScramHash.SHA_256]) is None
        assert self.ask(store.keys, "nobody@example.com", BOTH_HASHES) is None

    def test_new_keys_replace_all_old_ones(self, store: Any) -> None:
        new = replace(SHA_1, salt=b"new")
        self.ask(store.set_keys, JULIET, [new])
        assert self.ask(store.keys, JULIET, BOTH_HASHES) == new

    def test_deleted_account_leaves_nothing_to_the_next_of_its_name(self, store: Any) -> None:
        self.change(store, ROMEO, put(item=ITEM, request=REQUEST))
        self.change(store, NURSE, listing(NURSE))
        self.change(store, NURSE, put(item=None))
        self.ask(store.add_offline, JULIET, b"<message/>")
        self.ask(store.block, JULIET, ["paris@example.org"])
        self.ask(store.set_document, JULIET, "vcard-temp", b"<vCard/>")
        old_version = self.version(store)

        self.ask(store.delete_account, JULIET)
        assert not self.ask(store.has_account, JULIET)
        assert self.ask(store.keys, JULIET, BOTH_HASHES) is None
        self.ask(store.add_account, JULIET, [])

        assert self.ask(store.keys, JULIET, BOTH_HASHES) is None
        assert self.ask(store.roster, JULIET).items == ()
        assert self.ask(store.roster_changes, JULIET, old_version) is None
        assert self.ask(store.requests, JULIET) == ()
        assert self.ask(store.offline, JULIET) == ()
        assert self.ask(store.blocked, JULIET) == frozenset()
        assert self.ask(store.document, JULIET, "vcard-temp") is None

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("delete_account", ()),
            ("set_keys", ([],)),
            ("roster", ()),
            ("roster_changes", ("x-1",)),
            ("relation", (ROMEO,)),
            ("update_relation", (ROMEO, lambda relation: relation)),
            ("requests", ()),
            ("add_offline", (b"<message/>",)),
            ("offline", ()),
            ("remove_offline", ([1],)),
            ("blocked", ()),
            ("block", ([ROMEO],)),
            ("unblock", ()),
            ("document", ("vcard-temp",)),
            ("set_document", ("vcard-temp", b"<vCard/>")),
        ],
    )
    def test_account_that_does_not_exist_is_named(self, store: Any, method: str, arguments: tuple[Any, ...]) -> None:
        with pytest.raises(NoSuchAccount, match=r"nobody@example\.com"):
            self.ask(getattr(store, method), "nobody@example.com", *arguments)

    # Rosters

    def test_new_roster_is_empty_and_has_a_version(self, store: Any) -> None:
        roster = self.ask(store.roster, JULIET)
        assert roster.items == ()
        assert self.ask(store.roster_changes, JULIET, roster.version) == ()

    def test_item_comes_back_as_it_was_put(self, store: Any) -> None:
        update = self.change(store, ROMEO, put(item=ITEM))
        assert update.before == Relation()
        assert update.after == Relation(item=ITEM)
        assert update.changes_roster
        assert self.ask(store.roster, JULIET) == Roster(version=update.version, items=(ITEM,))
        assert self.ask(store.relation, JULIET, ROMEO) == Relation(item=ITEM)

    def test_roster_is_ordered_by_contact(self, store: Any) -> None:
        for contact in (ROMEO, BENVOLIO, NURSE):
            self.change(store, contact, listing(contact))
        contacts = [item.contact for item in self.ask(store.roster, JULIET).items]
        assert contacts == [BENVOLIO, NURSE, ROMEO]

    def test_change_is_given_what_is_there(self, store: Any) -> None:
        self.change(store, ROMEO, put(item=ITEM, request=REQUEST))
        seen: list[Relation] = []

        def look(relation: Relation) -> Relation:
            seen.append(relation)
            return relation

        update = self.change(store, ROMEO, look)
        assert seen == [Relation(item=ITEM, request=REQUEST)]
        assert not update.changes_roster

    def test_version_counts_changes_of_items_and_nothing_else(self, store: Any) -> None:
        versions = [
            self.change(store, ROMEO, change).version
            for change in (
                put(item=ITEM),
                put(item=ITEM),  # the same
                put(request=REQUEST),
                put(item=replace(ITEM, name="R.")),
                put(item=None),
                put(item=None),
            )
        ]
        assert versions[0] == versions[1] == versions[2]
        assert versions[4] == versions[5] == self.version(store)
        assert len(set(versions)) == 3

    def test_change_that_raises_is_the_failure_and_changes_nothing(self, store: Any) -> None:
        before = self.change(store, ROMEO, put(item=ITEM)).version

        def refuse(relation: Relation) -> Relation:
            raise StanzaError(StanzaCondition.NOT_ALLOWED)

        with pytest.raises(StanzaError):
            self.change(store, ROMEO, refuse)
        assert self.version(store) == before

    def test_change_to_another_contact_is_our_own_bug(self, store: Any) -> None:
        with pytest.raises(Misuse):
            self.change(store, NURSE, listing(ROMEO))
        assert self.ask(store.roster, JULIET).items == ()

    def test_changes_since_a_version_are_the_last_of_each_contact_in_order(self, store: Any) -> None:
        for contact in (ROMEO, NURSE, BENVOLIO):
            self.change(store, contact, listing(contact))
        since = self.version(store)
        removed = self.change(store, NURSE, put(item=None)).version
        self.change(store, ROMEO, listing(ROMEO, name="R"))
        renamed = self.change(store, ROMEO, listing(ROMEO, name="Romeo")).version
        assert self.ask(store.roster_changes, JULIET, since) == (
            RosterChange(version=removed, contact=NURSE, item=None),
            RosterChange(version=renamed, contact=ROMEO, item=RosterItem(contact=ROMEO, name="Romeo")),
        )

    def test_contact_removed_and_added_again_is_one_change(self, store: Any) -> None:
        self.change(store, ROMEO, listing(ROMEO))
        since = self.version(store)
        self.change(store, ROMEO, put(item=None))
        added = self.change(store, ROMEO, listing(ROMEO, name="again"))
        assert self.ask(store.roster_changes, JULIET, since) == (
            RosterChange(version=added.version, contact=ROMEO, item=added.after.item),
        )

    @pytest.mark.parametrize("since", ["", "x", "-", "1", "another-0", "0-", "{epoch}-", "{epoch}-999", "{epoch}--1"])
    def test_changes_since_an_unknown_version_are_not_known(self, store: Any, since: str) -> None:
        epoch = self.version(store).rpartition("-")[0]
        assert self.ask(store.roster_changes, JULIET, since.format(epoch=epoch)) is None

    def test_forgotten_removals_make_older_versions_unknown(self) -> None:
        store = self.open_for_juliet(StoreLimits(forgotten_contacts=1))
        for contact in (ROMEO, NURSE):
            self.change(store, contact, listing(contact))
        old = self.version(store)
        first = self.change(store, ROMEO, put(item=None)).version
        second = self.change(store, NURSE, put(item=None)).version
        assert self.ask(store.roster_changes, JULIET, old) is None
        assert self.ask(store.roster_changes, JULIET, first) == (
            RosterChange(version=second, contact=NURSE, item=None),
        )
        self.ask(store.close)

    # Subscription requests

    def test_requests_are_kept_until_they_are_answered(self, store: Any) -> None:
        self.change(store, ROMEO, put(request=REQUEST))
        self.change(store, BENVOLIO, put(request=b"<presence/>"))
        assert self.ask(store.requests, JULIET) == (
            SubscriptionRequest(contact=BENVOLIO, stanza=b"<presence/>"),
            SubscriptionRequest(contact=ROMEO, stanza=REQUEST),
        )
        assert self.ask(store.roster, JULIET).items == ()
        self.change(store, ROMEO, put(request=None))
        assert [request.contact for request in self.ask(store.requests, JULIET)] == [BENVOLIO]

    def test_request_and_item_change_together_or_not_at_all(self) -> None:
        store = self.open_for_juliet(StoreLimits(requests=1))
        self.change(store, NURSE, put(request=REQUEST))
        with pytest.raises(StoreFull, match="subscription requests"):
            self.change(store, ROMEO, put(item=ITEM, request=REQUEST))
        assert self.ask(store.relation, JULIET, ROMEO) == Relation()
        self.change(store, NURSE, put(request=b"<presence id='again'/>"))
        self.ask(store.close)

    # Offline messages

    def test_offline_messages_come_in_order_and_only_the_delivered_go(self, store: Any) -> None:
        ids = [self.ask(store.add_offline, JULIET, b"<message id='%d'/>" % number) for number in range(5)]
        assert ids == sorted(set(ids))
        waiting = self.ask(store.offline, JULIET)
        assert [message.stanza for message in waiting] == [b"<message id='%d'/>" % number for number in range(5)]
        assert [message.id for message in waiting] == ids
        self.ask(store.remove_offline, JULIET, [ids[0], ids[2], 999])
        assert [message.id for message in self.ask(store.offline, JULIET)] == [ids[1], ids[3], ids[4]]

    def test_offline_messages_are_read_in_pages(self, store: Any) -> None:
        ids = [self.ask(store.add_offline, JULIET, b"<message/>") for _ in range(5)]
        first = self.ask(store.offline, JULIET, limit=2)
        rest = self.ask(store.offline, JULIET, after=first[-1].id)
        assert [message.id for message in (*first, *rest)] == ids

    def test_offline_messages_of_others_are_neither_seen_nor_removed(self, store: Any) -> None:
        self.ask(store.add_account, NURSE, [])
        id = self.ask(store.add_offline, JULIET, b"<message/>")
        assert self.ask(store.offline, NURSE) == ()
        self.ask(store.remove_offline, NURSE, [id])
        assert len(self.ask(store.offline, JULIET)) == 1

    def test_id_of_a_delivered_message_is_not_used_again(self, store: Any) -> None:
        first = self.ask(store.add_offline, JULIET, b"<message/>")
        self.ask(store.remove_offline, JULIET, [first])
        assert self.ask(store.add_offline, JULIET, b"<message/>") > first

    def test_stanza_is_kept_byte_by_byte(self, store: Any) -> None:
        stanza = bytes(range(256))
        self.ask(store.add_offline, JULIET, stanza)
        assert self.ask(store.offline, JULIET)[0].stanza == stanza

    # Bounds

    @pytest.mark.parametrize(
        ("limits", "first", "second", "what"),
        [
            ({"offline_messages": 1}, ("add_offline", b"a"), ("add_offline", b"b"), "offline messages"),
            ({"offline_bytes": 3}, ("add_offline", b"aa"), ("add_offline", b"bb"), "bytes of offline messages"),
            ({"blocked": 1}, ("block", [ROMEO]), ("block", [NURSE, BENVOLIO]), "blocked addresses"),
            ({"documents": 1}, ("set_document", "a", b""), ("set_document", "b", b""), "documents"),
            (
                {"document_bytes": 4},
                ("set_document", "a", b"xxx"),
                ("set_document", "a", b"xxxx"),
                "bytes in a document",
            ),
            (
                {"name_bytes": 3},
                ("set_document", "abc", b""),
                ("set_document", "\u00e9ab", b""),
                "bytes in the name of a document",
            ),
            (
                {"name_bytes": 3},
                ("block", ["a.b"]),
                ("block", ["a.c", "a.cd"]),
                "bytes in the name of a blocked address",
            ),
            (
                {"roster_items": 1},
                ("update_relation", ROMEO, listing(ROMEO)),
                ("update_relation", NURSE, listing(NURSE)),
                "roster items",
            ),
            (
                {"item_bytes": len(ROMEO) + 4},
                ("update_relation", ROMEO, listing(ROMEO, name="abcd")),
                ("update_relation", ROMEO, listing(ROMEO, groups=frozenset({"ab", "cde"}))),
                "bytes in a roster item",
            ),
            (
                {"request_bytes": 3},
                ("update_relation", ROMEO, put(request=b"abc")),
                ("update_relation", ROMEO, put(request=b"abcd")),
                "bytes in a subscription request",
            ),
        ],
    )
    def test_limit_is_named_and_what_was_there_stays(
        self, limits: dict[str, int], first: tuple[Any, ...], second: tuple[Any, ...], what: str
    ) -> None:
        store = self.open_for_juliet(StoreLimits(**limits))
        self.ask(getattr(store, first[0]), JULIET, *first[1:])
        before = self.everything(store)
        with pytest.raises(StoreFull) as caught:
            self.ask(getattr(store, second[0]), JULIET, *second[1:])
        assert caught.value.what == what
        assert self.everything(store) == before
        self.ask(store.close)

    def everything(self, store: Any) -> list[Any]:
        """Return all that an account has."""
        reads = [store.roster, store.requests, store.offline, store.blocked]
        documents = [self.ask(store.document, JULIET, name) for name in "ab"]
        return [self.ask(read, JULIET) for read in reads] + documents

    # Blocking lists and documents

    def test_blocking_list_adds_and_removes_addresses(self, store: Any) -> None:
        self.ask(store.block, JULIET, [ROMEO, "spam.example"])
        self.ask(store.block, JULIET, [ROMEO, NURSE])
        assert self.ask(store.blocked, JULIET) == {ROMEO, NURSE, "spam.example"}
        self.ask(store.unblock, JULIET, [ROMEO, BENVOLIO])
        assert self.ask(store.blocked, JULIET) == {NURSE, "spam.example"}
        self.ask(store.unblock, JULIET, [])
        assert self.ask(store.blocked, JULIET) == {NURSE, "spam.example"}
        self.ask(store.unblock, JULIET)
        assert self.ask(store.blocked, JULIET) == frozenset()

    def test_document_is_replaced_and_forgotten(self, store: Any) -> None:
        for content in (b"one", b"two", b""):
            self.ask(store.set_document, JULIET, "private {storage:bookmarks}storage", content)
            assert self.ask(store.document, JULIET, "private {storage:bookmarks}storage") == content
        self.ask(store.set_document, JULIET, "private {storage:bookmarks}storage", None)
        assert self.ask(store.document, JULIET, "private {storage:bookmarks}storage") is None

    # The values of services

    def test_values_are_the_services_own(self, store: Any) -> None:
        for service, key, content in (("a.test", "x/1", b"one"), ("a.test", "x/1", b"two"), ("b.test", "x/1", b"")):
            self.ask(store.set_value, service, key, content)
        assert [self.ask(store.value, each, "x/1") for each in ("a.test", "b.test", "c.test")] == [b"two", b"", None]
        self.ask(store.set_value, "a.test", "x/1", None)
        assert [self.ask(store.value, each, "x/1") for each in ("a.test", "b.test")] == [None, b""]

    def test_values_are_listed_by_prefix_in_the_order_of_keys(self, store: Any) -> None:
        for key in ("x/2", "x/1", "X/3", "x%", "y"):
            self.ask(store.set_value, "a.test", key, key.encode())
        assert list(self.ask(store.values, "a.test", "x/").items()) == [("x/1", b"x/1"), ("x/2", b"x/2")]
        assert list(self.ask(store.values, "a.test")) == ["X/3", "x%", "x/1", "x/2", "y"]

    def test_values_are_bounded_for_each_service(self) -> None:
        store = self.open(StoreLimits(service_values=1, service_value_bytes=4, name_bytes=3))
        self.ask(store.set_value, "a.test", "k", b"123")
        self.ask(store.set_value, "a.test", "k", b"456")
        self.ask(store.set_value, "b.test", "k", b"123")
        refused = (
            ("l", b"", "at most 1 values"),
            ("k", b"1234", "at most 4 bytes in a value"),
            ("long", b"", "at most 3 bytes in the name of a value"),
        )
        for key, content, why in refused:
            with pytest.raises(StoreFull, match=f"a service may have {why}"):
                self.ask(store.set_value, "a.test", key, content)
        assert self.ask(store.values, "a.test") == {"k": b"456"}
        self.ask(store.close)

    def test_closed_store_takes_nothing_more_and_can_be_closed_again(self) -> None:
        store = self.open(StoreLimits())
        self.ask(store.close)
        self.ask(store.close)
        with pytest.raises(StoreUnavailable, match="closed"):
            self.ask(store.has_account, JULIET)


class DurableStoreContract(StoreContract):
    """What holds for stores that are opened again and have what they had."""

    def test_everything_is_there_after_closing_and_opening(self) -> None:
        store = self.open_for_juliet()
        now(store.add_offline(JULIET, b"<message/>"))
        now(store.block(JULIET, ["spam.example"]))
        version = self.version(store)
        now(store.close())
        again = self.open(StoreLimits())
        assert now(again.keys(JULIET, [SHA_256.hash])) == SHA_256
        assert [message.stanza for message in now(again.offline(JULIET))] == [b"<message/>"]
        assert now(again.blocked(JULIET)) == {"spam.example"}
        assert self.version(again) == version
        now(again.close())
