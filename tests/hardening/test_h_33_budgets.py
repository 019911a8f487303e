"""H-33, the part of the stream: memory (CVE-2021-32918, CVE-2026-43506, CVE-2026-43507).

A token without end is refused within its budget; what has been handed out is forgotten; what is dropped is gone.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import count, repeat
from weakref import ref

import pytest

from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.stream.expat import XMLChecker
from gateway.stream.stream import Stream
from gateway.stream.tools import StreamTools
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import Stanza
from tests.support.talk import Talk, header, proved, talk, under_tls

NEGOTIATING = StreamTools(addresses=AddressCache(), new_id=str).negotiating.stanza_bytes
ESTABLISHED = Budget().stanza_bytes
READ = 16 * 1024
MILLION = 1_000_000


def in_reads(pieces: Iterable[str]) -> Iterator[str]:
    """Many small pieces as a socket would bring them."""
    read: list[str] = []
    size = 0
    for piece in pieces:
        read.append(piece)
        size += len(piece)
        if size >= READ:
            yield "".join(read)
            read, size = [], 0
    yield "".join(read)


def endless(start: str, pieces: Iterable[str]) -> Iterator[str]:
    yield start
    yield from in_reads(pieces)


NEVER_CLOSED = {
    "a body": lambda: endless("<message><body>", repeat("x" * 1024)),
    "an attribute": lambda: endless("<message id='", repeat("x" * 1024)),
    "a name": lambda: endless("<", repeat("x" * 1024)),
    "an end tag": lambda: endless("<message></message", repeat(" " * 1024)),
    "a reference": lambda: endless("<message>&#", repeat("0" * 1024)),
    "CDATA": lambda: endless("<message><![CDATA[", repeat("x" * 1024)),
    "1,000,000 attributes": lambda: endless("<message", (f" a{n}=''" for n in range(MILLION))),
    "1,000,000 children": lambda: endless("<message>", (f"<a{n}/>" for n in range(MILLION))),
    "1,000,000 children of a name": lambda: endless("<message>", repeat("<a/>" * 1000, MILLION // 1000)),
    "1,000,000 levels": lambda: endless("<message>", repeat("<a>" * 1000, MILLION // 1000)),
    "an unknown element": lambda: endless("<x xmlns='y'>", repeat("<a/>" * 1000, MILLION // 1000)),
}  # fmt: skip


def taken_until_refused(talking: Talk, endless: Iterator[str]) -> int:
    taken = 0
    for read in endless:
        taken += len(read)
        talking.hear(read)
        if talking.error is not None:
            assert talking.error == "policy-violation"
            return taken
    raise AssertionError("all of it was taken")


@pytest.mark.parametrize("kind", NEVER_CLOSED)
def test_h_33_before_authentication_little_is_taken(kind: str) -> None:
    assert taken_until_refused(under_tls().hear(header()), NEVER_CLOSED[kind]()) <= NEGOTIATING + 2 * READ


@pytest.mark.parametrize("kind", NEVER_CLOSED)
def test_h_33_afterwards_a_few_stanzas_worth_is_skipped_and_none_of_it_is_kept(kind: str) -> None:
    talking = proved()
    taken = taken_until_refused(talking, watched(talking, NEVER_CLOSED[kind]()))
    skipped = kind in ("a body", "CDATA", "1,000,000 children", "1,000,000 children of a name", "1,000,000 levels")
    assert taken <= (8 if skipped else 1) * ESTABLISHED + 2 * READ


def watched(talking: Talk, endless: Iterator[str]) -> Iterator[str]:
    """Yield each read, and check that no more than a stanza's size is kept of them."""
    for read in endless:
        assert len(talking.stream._codec._buffer) <= ESTABLISHED + READ
        yield read


@pytest.mark.parametrize("kind", [kind for kind in NEVER_CLOSED if "1,000,000" not in kind])
def test_h_33_a_slow_drip_gets_no_further(kind: str) -> None:
    drip = (character for read in NEVER_CLOSED[kind]() for character in read)
    assert taken_until_refused(under_tls().hear(header()), drip) <= NEGOTIATING + 64


@pytest.mark.parametrize("start", ["", "<?xml version='1.0'?>", "<stream:stream xmlns='", "<!"])
def test_h_33_nor_does_a_header_without_end(start: str) -> None:
    talking = talk().hear(start)
    for _ in range(100):
        talking.hear(" " * 1000)
    assert talking.error in ("policy-violation", "restricted-xml")


def test_h_33_white_space_between_stanzas_is_not_kept() -> None:
    talking = proved()
    for _ in range(1000):
        talking.hear(" \n" * 1000)
    assert talking.said == []
    assert len(talking.stream._codec._buffer) == 0


def test_h_33_a_header_cannot_declare_everything() -> None:
    many = "".join(f" xmlns:p{n}='urn:{n}'" for n in range(30))
    assert under_tls().hear(header(more=many)).error == "policy-violation"
    assert under_tls().hear(header(more=" xmlns:x='" + "u" * 20_000 + "'")).error == "policy-violation"


@pytest.mark.parametrize("size", [1, 10_000], ids=["byte by byte", "whole"])
@pytest.mark.parametrize("length", [5, 90], ids=["a short tag", "a long tag"])
def test_h_33_a_header_has_no_more_attributes_than_any_tag(size: int, length: int) -> None:
    """However it is cut: a long tag in pieces is counted while it comes in, a short one when it is here."""

    def taken(many: int) -> list[object]:
        said = header(more="".join(f" a{number}='{'x' * length}'" for number in range(many))).encode()
        codec = Codec(Budget(attributes=12), AddressCache())
        items: list[object] = []
        for at in range(0, len(said), size):
            codec.feed(said[at : at + size])
            items += codec.take()
        return items

    assert len(taken(1)) == 1
    with pytest.raises(StreamError, match="more than 12 attributes"):
        taken(20)


def test_h_33_a_namespace_declared_once_is_not_written_everywhere() -> None:
    """A stanza that leans on its header is rewritten, and ends there where it would get larger than it may be."""
    talking = proved(budget=Budget(elements=100_000))
    namespace = "u" * 900
    children = "<p:a/>" * 50_000
    talking.hear(f"<message xmlns:p='{namespace}' from='a@theirs.test/r' to='b@ours.test'>{children}</message>")
    (raw,) = talking.events
    assert isinstance(raw, bytes)
    assert raw.endswith(b" from='a@theirs.test/r' to='b@ours.test'/>")
    assert talking.error is None


def names_without_end() -> Iterator[bytes]:
    for number in count():
        inside = b"".join(b"<e%d a%d='' xmlns:p%d='urn:%d'/>" % ((number * 1000 + n,) * 4) for n in range(100))
        yield b"<message>" + inside + b"</message>"


@pytest.mark.parametrize("cut", [False, True], ids=["whole stanzas", "cut in the middle"])
def test_h_33_names_are_forgotten(cut: bool) -> None:
    """expat keeps every name that it has seen; so it is replaced in time, also when no read ends with a stanza."""
    codec = Codec(Budget(), AddressCache())
    codec.feed(header().encode())
    codec.take()
    judges, fed, begun = [codec._checker], 0, b""
    for stanza in names_without_end():
        whole = begun + stanza
        ready, begun = (whole[:-10], whole[-10:]) if cut else (whole, b"")
        codec.feed(ready)
        codec.take()
        fed += len(ready)
        if codec._checker is not judges[-1]:
            judges.append(codec._checker)
        assert codec._checker._fed < 1.1 * 1024 * 1024
        if fed > 2.5 * 1024 * 1024:
            break
    assert len(judges) == 3


@pytest.mark.parametrize("kind", NEVER_CLOSED)
def test_h_33_what_was_refused_holds_nothing(kind: str) -> None:
    talking = proved()
    taken_until_refused(talking, NEVER_CLOSED[kind]())
    talking.hear("x" * READ, "y" * READ)
    assert len(talking.stream._codec._buffer) <= ESTABLISHED + 2 * READ


def alive() -> int:
    gc.collect()
    return sum(isinstance(each, Stream | Codec | XMLChecker | Element | Stanza) for each in gc.get_objects())


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Turn the garbage collector off: what is dropped must be gone at once."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_h_33_expat_is_let_go_with_its_stream_without_the_garbage_collector() -> None:
    for begin in (talk, proved):
        talking = begin().hear(header())
        judge = ref(talking.stream._codec._checker)
        assert judge() is not None
        del talking
        assert judge() is None


def test_h_33_object_counts_return() -> None:
    before = alive()
    half_open = [talk().hear("<?xml version='1.0'?>", header(), "<starttls xmlns='x'>") for _ in range(300)]
    assert alive() >= before + 900
    for each in half_open:
        each.close()
    half_open.clear()
    del each
    assert alive() <= before + 3


def test_h_33_a_half_open_stream_costs_little() -> None:
    """Most of it is expat's."""
    facts, profile = talk().stream.facts, talk().stream.profile
    tools = StreamTools(addresses=AddressCache(), new_id=lambda: "id")
    Stream(profile, facts, _accept, tools, Budget()).received(header().encode())
    tracemalloc.start()
    streams = [Stream(profile, facts, _accept, tools, Budget()) for _ in range(1000)]
    for stream in streams:
        stream.received(header().encode())
    each = tracemalloc.get_traced_memory()[0] / len(streams)
    tracemalloc.stop()
    assert each < 20 * 1024


def _accept(_: object, facts):  # type: ignore[no-untyped-def]
    return facts
