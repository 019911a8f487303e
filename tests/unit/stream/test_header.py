"""Stream headers: what is read, what is refused with which condition, and what we write (RFC 6120 §4.7, §4.8)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.stream.header import (
    StreamHeader,
    check_same,
    declared_prefixes,
    read_header,
    version_to_send,
    write_header,
)
from gateway.stream.known import RootTag
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import CLIENT, COMPONENT_ACCEPT, DIALBACK, SERVER, STREAMS

FULL = StreamHeader(
    content_namespace=SERVER,
    from_=Address.parse("theirs.test"),
    to=Address.parse("ours.test"),
    id="a'b<c>&d",
    version=(1, 0),
    lang="de",
)


def root(text: bytes) -> RootTag:
    codec = Codec(Budget(), AddressCache())
    codec.feed(text)
    (tag,) = codec.take()
    assert isinstance(tag, RootTag)
    return tag


def stream(attributes: str, *, name: str = "stream:stream", streams: str = STREAMS, default: str = SERVER) -> bytes:
    declared = f" xmlns='{default}'" if default else ""
    prefix = name.partition(":")[0] if ":" in name else ""
    declared += f" xmlns:{prefix}='{streams}'" if prefix else ""
    return f"<{name}{declared} {attributes}>".encode()


@pytest.mark.parametrize(
    "header",
    [
        FULL,
        replace(FULL, from_=None, to=None, id=None, lang=None),
        replace(FULL, version=(0, 9)),
    ],
)
def test_what_is_written_is_read_again(header: StreamHeader) -> None:
    assert read_header(root(write_header(header)), header.content_namespace) == header


def test_who_answers_without_a_name_says_so() -> None:
    assert b" from='' to='ours.test' id='1'" in write_header(replace(FULL, from_=None, id="1"))
    assert b"from" not in write_header(replace(FULL, from_=None, id=None))


@pytest.mark.parametrize("namespace", [SERVER, CLIENT, COMPONENT_ACCEPT])
def test_all_prefixes_that_we_use_are_declared(namespace: str) -> None:
    written = root(write_header(replace(FULL, content_namespace=namespace)))
    expected = {prefix: uri for uri, prefix in declared_prefixes(namespace).items()}
    assert written.declarations == {"": namespace, **expected}
    assert (DIALBACK in declared_prefixes(namespace)) == (namespace == SERVER)


@pytest.mark.parametrize(
    ("attributes", "read"),
    [
        ("", StreamHeader(content_namespace=SERVER, version=(0, 9))),
        ("to='' from='' id=''", StreamHeader(content_namespace=SERVER, version=(0, 9), id="")),
        ("to='OURS.Test.'", StreamHeader(content_namespace=SERVER, version=(0, 9), to=Address.parse("ours.test"))),
        (
            "from='a@b.test/c'",
            StreamHeader(content_namespace=SERVER, version=(0, 9), from_=Address.parse("a@b.test/c")),
        ),
        ("version='1.0'", StreamHeader(content_namespace=SERVER, version=(1, 0))),
        ("version='01.00'", StreamHeader(content_namespace=SERVER, version=(1, 0))),
        ("version='1.13'", StreamHeader(content_namespace=SERVER, version=(1, 13))),
        ("version='2.0'", StreamHeader(content_namespace=SERVER, version=(2, 0))),
        ("version='0.9'", StreamHeader(content_namespace=SERVER, version=(0, 9))),
        ("xml:lang='de' unknown='1'", StreamHeader(content_namespace=SERVER, version=(0, 9), lang="de")),
    ],
)
def test_attributes_are_read(attributes: str, read: StreamHeader) -> None:
    assert read_header(root(stream(attributes)), SERVER) == read


def test_a_version_is_sent_unless_the_other_side_has_sent_none() -> None:
    assert [version_to_send(theirs) for theirs in (None, (1, 0), (1, 1), (2, 0))] == [(1, 0)] * 4
    assert version_to_send((0, 9)) == (0, 9)


def test_versions_from_one_on_negotiate() -> None:
    versions = {(0, 0): False, (0, 9): False, (1, 0): True, (1, 5): True, (2, 0): True, (10, 0): True}
    assert {version: replace(FULL, version=version).negotiates for version in versions} == versions


REFUSED = [
    ("another root namespace", stream("", streams="http://example.test/"), StreamCondition.INVALID_NAMESPACE),
    ("an old spelling of it", stream("", streams=STREAMS + "/"), StreamCondition.INVALID_NAMESPACE),
    ("another root", stream("", name="stream:features"), StreamCondition.BAD_FORMAT),
    ("no prefix", stream("", name="stream", default=STREAMS), StreamCondition.BAD_NAMESPACE_PREFIX),
    ("no default namespace", stream("", default=""), StreamCondition.INVALID_NAMESPACE),
    ("another default namespace", stream("", default=CLIENT), StreamCondition.INVALID_NAMESPACE),
    ("streams as default namespace", stream("", default=STREAMS), StreamCondition.INVALID_NAMESPACE),
    ("no address as 'to'", stream("to='@'"), StreamCondition.HOST_UNKNOWN),
    ("no address as 'from'", stream("from='a b'"), StreamCondition.INVALID_FROM),
    *[(f"version {version!r}", stream(f"version='{version}'"), StreamCondition.UNSUPPORTED_VERSION)
      for version in ("", "1", "1.", ".0", "-1.0", "1.0.0", "one", "1,0", "1.\u0660", "9" * 5000 + ".0")],
]  # fmt: skip


@pytest.mark.parametrize(("raw", "condition"), [row[1:] for row in REFUSED], ids=[row[0][:20] for row in REFUSED])
def test_a_bad_header_is_refused_by_its_condition(raw: bytes, condition: StreamCondition) -> None:
    with pytest.raises(StreamError) as raised:
        read_header(root(raw), SERVER)
    assert raised.value.condition is condition


def test_the_prefix_is_the_other_sides_choice() -> None:
    assert read_header(root(stream("", name="s:stream")), SERVER).content_namespace == SERVER


SAME = replace(FULL, id="other", version=(1, 1), lang="fr")


@pytest.mark.parametrize(
    ("before", "now", "condition"),
    [
        (FULL, SAME, None),
        (replace(FULL, from_=None), SAME, None),
        (replace(FULL, to=None), SAME, None),
        (FULL, replace(SAME, from_=None), StreamCondition.INVALID_FROM),
        (FULL, replace(SAME, from_=Address.parse("evil.test")), StreamCondition.INVALID_FROM),
        (FULL, replace(SAME, to=None), StreamCondition.HOST_UNKNOWN),
        (FULL, replace(SAME, to=Address.parse("other.test")), StreamCondition.HOST_UNKNOWN),
    ],
)
def test_h_06_a_header_after_a_restart_names_the_same(
    before: StreamHeader, now: StreamHeader, condition: StreamCondition | None
) -> None:
    if condition is None:
        check_same(before, now)
        return
    with pytest.raises(StreamError) as raised:
        check_same(before, now)
    assert raised.value.condition is condition
