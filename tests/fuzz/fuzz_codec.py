"""The codec under mutated bytes: items of the declared kinds, then perhaps one StreamError, however the bytes are cut.

What is handed out as a stanza is one: alone on another stream it is read again, as the same.
"""

from __future__ import annotations

from random import Random

from gateway.stream.budget import Budget
from gateway.stream.codec import STREAM_END, Codec, RootTag
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import Stanza
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.transcripts import INBOUND, OURS, OUTBOUND

CORPUS = tuple("".join(segments).encode() for segments in INBOUND + OUTBOUND)
BUDGETS = (Budget(), Budget(stanza_bytes=700, depth=4, elements=8, attributes=8))
ADDRESSES = AddressCache()
# What is wrong in two ways may be refused for the one that is seen first: a tag that costs too much before its end
# shows that it is ill-formed; a processing instruction before the byte in its name that is not UTF-8 is complete.
EITHER = ({"policy-violation", "not-well-formed"}, {"restricted-xml", "not-well-formed"})
# A stream from which nothing can be borrowed, not even by accident.
ANOTHER = b"<another:stream xmlns='urn:another' xmlns:another='http://etherx.jabber.org/streams'>"


def one_input(rng: Random) -> None:
    """Make an input, and check all that is promised of it."""
    data, budget = mutate(rng, rng.choice(CORPUS)), rng.choice(BUDGETS)
    if rng.random() < 0.5:
        data = OURS.encode() + data
    whole, whole_fault, _ = read([data], budget)
    pieces, pieces_fault, is_behind = read(cut(rng, data), budget)
    assert pieces == whole, (data, budget)
    assert pieces_fault == whole_fault or {whole_fault, pieces_fault} in EITHER or is_behind, (data, budget)


def read(pieces: list[bytes], budget: Budget) -> tuple[list[object], str | None, bool]:
    """Return the codec's output, comparable; the condition of the fault; whether a large token waits for its end."""
    codec = Codec(budget, ADDRESSES)
    seen: list[object] = []
    for piece in pieces:
        codec.feed(piece)
        try:
            while items := codec.take():
                seen.extend(map(described, items))
        except StreamError as fault:
            return seen, str(fault.condition), False
    return seen, None, codec._checker._held is not None


def described(item: object) -> object:
    if isinstance(item, Stanza):
        return read_again(item)
    if isinstance(item, RootTag):
        return item.namespace, item.name, item.prefix, item.attributes, item.declarations
    if isinstance(item, Element):
        return item.serialize()
    assert item is STREAM_END
    return item


def read_again(stanza: Stanza) -> object:
    """A stanza as anybody will see it whom it is sent to."""
    codec = Codec(Budget(), ADDRESSES)
    codec.feed(ANOTHER)
    codec.take()
    codec.feed(stanza.raw + b"<presence/>")
    again, behind = codec.take()
    assert isinstance(again, Stanza)
    assert isinstance(behind, Stanza)
    assert behind.raw == b"<presence/>"
    assert again.raw == stanza.raw
    fields = [(each.name, each.type, each.id, each.to, each.from_, each.flaw) for each in (stanza, again)]
    assert fields[0] == fields[1]
    assert stanza.element.name == stanza.name
    return stanza.raw, fields[0]
