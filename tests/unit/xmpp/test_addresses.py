"""Addresses: splitting, values, the ASCII fast path, the cache. What each part allows is in tests/features."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import pytest
from hypothesis import given, settings

from gateway.xmpp import address_parts, addresses
from gateway.xmpp.addresses import (
    Address,
    AddressCache,
    Domain,
    DomainPair,
    prepare_domain,
    prepare_local,
    prepare_resource,
    to_ascii,
)
from gateway.xmpp.errors import MalformedAddress, Misuse
from tests.support.addresses import any_text, ascii_text, put_into, result, whole_text


def outcome(prepare: Callable[[str], object], text: str) -> object:
    """Return the prepared form of a text, or None."""
    try:
        return prepare(text)
    except MalformedAddress:
        return MalformedAddress


@contextmanager
def libraries_only() -> Iterator[None]:
    """No text counts as plain, so every one takes the slow path."""
    never = mock.Mock(return_value=None)
    plain = {room: [name for name in vars(room) if name.startswith("_PLAIN_")] for room in (addresses, address_parts)}
    assert list(map(len, plain.values())) == [1, 3]
    with ExitStack() as patches:
        for room, names in plain.items():
            patches.enter_context(mock.patch.multiple(room, **dict.fromkeys(names, never)))
        yield


class TestSplitting:
    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("example.com", ("", "example.com", "")),
            ("alice@example.com", ("alice", "example.com", "")),
            ("example.com/phone", ("", "example.com", "phone")),
            ("alice@example.com/phone", ("alice", "example.com", "phone")),
            ("example.com/res@x", ("", "example.com", "res@x")),
            ("alice@example.com/a/b", ("alice", "example.com", "a/b")),
            ("alice@example.com/a@b/c@d", ("alice", "example.com", "a@b/c@d")),
            ("alice@example.com//", ("alice", "example.com", "/")),
            ("alice@example.com/ ", ("alice", "example.com", " ")),
            ("ALICE@EXAMPLE.COM/Phone", ("alice", "example.com", "Phone")),
            ("alicé@exämple.com/phöne", ("alicé", "exämple.com", "phöne")),
            ("alice@[2001:DB8:0::1]/x", ("alice", "[2001:db8::1]", "x")),
        ],
    )
    def test_first_slash_then_first_at_sign_divide_the_parts(self, text: str, parts: tuple[str, str, str]) -> None:
        address = Address.parse(text)
        assert (address.local, address.domain, address.resource) == parts

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("", "domainpart is empty"),
            ("@", "localpart is empty"),
            ("/", "domainpart is empty"),
            ("@example.com", "localpart is empty"),
            ("alice@", "domainpart is empty"),
            ("alice@/phone", "domainpart is empty"),
            ("/phone", "domainpart is empty"),
            ("example.com/", "resourcepart is empty"),
            ("alice@example.com/", "resourcepart is empty"),
            ("alice@example.com@example.net", "domainpart 'example.com@example.net'"),
            ("alice@@example.com", "domainpart '@example.com'"),
            (" alice@example.com", "localpart ' alice' is not allowed"),
            ("alice@example.com\n", r"domainpart 'example.com\\n'"),
        ],
    )
    def test_what_is_no_address_is_refused_by_its_part(self, text: str, problem: str) -> None:
        with pytest.raises(MalformedAddress, match=problem):
            Address.parse(text)


class TestAddress:
    def test_spellings_are_bare_and_full(self) -> None:
        address = Address.parse("Alice@Example.com/Phone")
        assert (address.bare, address.full, str(address)) == (
            "alice@example.com",
            "alice@example.com/Phone",
            "alice@example.com/Phone",
        )

    def test_equal_addresses_are_one_dictionary_key(self) -> None:
        assert {Address.parse("ALICE@example.com"): 1}[Address.parse("alice@EXAMPLE.com.")] == 1

    def test_resource_distinguishes_by_case(self) -> None:
        assert Address.parse("a@example.com/x") != Address.parse("a@example.com/X")

    def test_address_never_equals_a_string(self) -> None:
        assert Address.parse("example.com") != "example.com"

    @pytest.mark.parametrize("name", ["local", "domain", "resource", "bare", "full", "new"])
    def test_attributes_are_fixed(self, name: str) -> None:
        address = Address.parse("alice@example.com")
        with pytest.raises(AttributeError):
            setattr(address, name, "mallory")
        with pytest.raises(AttributeError):
            delattr(address, name)
        assert address == Address.parse("alice@example.com")

    def test_constructor_makes_no_unprepared_address(self) -> None:
        with pytest.raises(Misuse):
            Address()

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy, lambda address: pickle.loads(pickle.dumps(address))])
    def test_copies_are_equal(self, clone: Callable[[Address], Address]) -> None:
        address = Address.parse("alice@example.com/phone")
        assert clone(address) == address

    def test_make_prepares_each_part(self) -> None:
        assert Address.make("Alice", "EXAMPLE.com.", "Phone").full == "alice@example.com/Phone"

    def test_make_leaves_out_empty_parts(self) -> None:
        assert Address.make("", "example.com", "").full == "example.com"

    @pytest.mark.parametrize(
        "parts", [("a@b", "c", ""), ("a", "b/c", ""), ("a", "", "c"), ("a", "b@c", ""), ("a/b", "c", "")]
    )
    def test_make_refuses_parts_that_hold_separators(self, parts: tuple[str, str, str]) -> None:
        with pytest.raises(MalformedAddress):
            Address.make(*parts)

    def test_bare_address_has_no_resource(self) -> None:
        assert Address.parse("alice@example.com/phone").bare_address == Address.parse("alice@example.com")

    def test_with_resource_prepares_it(self) -> None:
        alice = Address.parse("alice@example.com/phone")
        assert alice.with_resource("e\u0301").full == "alice@example.com/é"
        with pytest.raises(MalformedAddress):
            alice.with_resource("")

    @pytest.mark.parametrize(
        ("text", "is_bare", "is_domain"),
        [
            ("example.com", True, True),
            ("a@example.com", True, False),
            ("example.com/x", False, False),
            ("a@b/x", False, False),
        ],
    )
    def test_kinds(self, text: str, is_bare: bool, is_domain: bool) -> None:
        address = Address.parse(text)
        assert (address.is_bare, address.is_domain) == (is_bare, is_domain)

    def test_repr_escapes_nothing_into_a_terminal(self) -> None:
        assert repr(Address.parse("alice@example.com")) == "<Address 'alice@example.com'>"


class TestEveryText:
    """Properties that hold for whatever a peer writes."""

    @settings(deadline=None, max_examples=400)
    @given(whole_text)
    def test_preparation_is_idempotent(self, text: str) -> None:
        once = outcome(Address.parse, text)
        if isinstance(once, Address):
            again = Address.parse(str(once))
            assert (again.local, again.domain, again.resource) == (once.local, once.domain, once.resource)

    @settings(deadline=None, max_examples=400)
    @given(any_text)
    def test_each_part_is_idempotent(self, text: str) -> None:
        for prepare in (prepare_local, prepare_domain, prepare_resource):
            once = outcome(prepare, text)
            if isinstance(once, str):
                assert prepare(once) == once

    @pytest.mark.parametrize("pattern", ["{}", "{}ς"])
    def test_every_character_is_idempotent(self, pattern: str) -> None:
        for prepare in (prepare_local, prepare_resource):
            once = {prepared for text in put_into(pattern) if (prepared := result(prepare, text))}
            assert len(once) > 200 or prepare is prepare_local
            assert [text for text in once if prepare(text) != text] == []

    @settings(deadline=None, max_examples=400)
    @given(any_text)
    def test_domain_survives_its_ascii_form(self, text: str) -> None:
        domain = outcome(prepare_domain, text)
        if isinstance(domain, str):
            assert prepare_domain(to_ascii(Domain(domain))) == domain
            assert to_ascii(Domain(domain)).isascii()

    @settings(deadline=None, max_examples=400)
    @given(ascii_text)
    def test_plain_texts_are_prepared_as_the_libraries_would(self, text: str) -> None:
        prepares = (prepare_local, prepare_domain, prepare_resource, Address.parse)
        fast = [outcome(prepare, text) for prepare in prepares]
        with libraries_only():
            assert [outcome(prepare, text) for prepare in prepares] == fast

    @pytest.mark.parametrize("pattern", ["{}", "a{}", "{}a", "a{}a", "ab{}c", "a.{}", "a{}-b", "1{}"])
    def test_every_ascii_character_is_prepared_as_the_libraries_would(self, pattern: str) -> None:
        texts = [pattern.format(chr(code)) for code in range(0x80)]
        prepares = (prepare_local, prepare_domain, prepare_resource, Address.parse)
        fast = [outcome(prepare, text) for text in texts for prepare in prepares]
        with libraries_only():
            assert [outcome(prepare, text) for text in texts for prepare in prepares] == fast

    @pytest.mark.parametrize(
        "text", ["alice@example.com/phone", "a_b.c@xmpp-1.example.com/A b@c/d", "localhost", "a@sm"]
    )
    def test_ordinary_addresses_need_no_library(self, text: str) -> None:
        libraries = (
            "map_name",
            "check_code_points",
            "unicodedata",
            "username",
            "opaque_string",
            "fold_case",
            "normalised",
        )
        with mock.patch.multiple(address_parts, **dict.fromkeys(libraries)):
            assert Address.parse(text).full == text


class TestDomainPair:
    def test_spellings_make_one_pair(self) -> None:
        assert DomainPair.make("EXAMPLE.com.", "xn--strae-oqa.example") == DomainPair.make(
            "example.com", "Straße.example"
        )

    def test_direction_matters(self) -> None:
        pair = DomainPair.make("a.example", "b.example")
        assert pair.reversed() == DomainPair.make("b.example", "a.example")
        assert pair.reversed() != pair
        assert pair.reversed().reversed() == pair

    @pytest.mark.parametrize("pair", [("", "b"), ("a", ""), ("a@b", "c"), ("a", "b/c")])
    def test_what_is_no_domain_makes_no_pair(self, pair: tuple[str, str]) -> None:
        with pytest.raises(MalformedAddress):
            DomainPair.make(*pair)


class TestAddressCache:
    def test_second_lookup_gives_the_same_object(self) -> None:
        cache = AddressCache()
        assert cache.lookup("Alice@example.com") is cache.lookup("Alice@example.com")
        assert cache.read(b"'Alice@example.com'") is cache.read(b"'Alice@example.com'")

    def test_values_are_read_as_xml_has_them(self) -> None:
        cache = AddressCache()
        spellings = [b"'a@example.com/&apos;'", b'"a@example.com/\'"', b"'&#97;@example.com/&#x27;'"]
        assert {cache.read(spelling).full for spelling in spellings} == {"a@example.com/'"}

    def test_bytes_and_text_give_equal_addresses(self) -> None:
        cache = AddressCache()
        assert cache.read("'alicé@example.com'".encode()) == cache.lookup("alicé@example.com")

    def test_capacity_bounds_what_is_kept(self) -> None:
        cache = AddressCache(capacity=10)
        for number in range(100):
            cache.lookup(f"user{number}@example.com")
            assert len(cache) <= 10

    def test_an_address_in_use_outlives_those_seen_once(self) -> None:
        cache = AddressCache(capacity=10)
        busy = cache.lookup("busy@example.com")
        for number in range(100):
            cache.lookup(f"user{number}@example.com")
            assert cache.lookup("busy@example.com") is busy

    def test_an_address_out_of_use_is_forgotten(self) -> None:
        cache = AddressCache(capacity=10)
        once = cache.lookup("once@example.com")
        for number in range(100):
            cache.lookup(f"user{number}@example.com")
        assert cache.lookup("once@example.com") is not once

    def test_refused_texts_leave_nothing_behind(self) -> None:
        cache = AddressCache()
        for number in range(100):
            with pytest.raises(MalformedAddress):
                cache.lookup(f"@{number}")
        assert len(cache) == 0

    def test_long_texts_are_prepared_but_not_kept(self) -> None:
        cache = AddressCache(longest=20)
        long = "alice@example.com/a-long-resource"
        assert cache.lookup(long) == Address.parse(long)
        assert len(cache) == 0

    @settings(deadline=None)
    @given(whole_text)
    def test_lookup_is_parse(self, text: str) -> None:
        cache = AddressCache()
        for _ in range(2):
            assert outcome(cache.lookup, text) == outcome(Address.parse, text)
