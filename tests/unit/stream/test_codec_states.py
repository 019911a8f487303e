"""The states of a codec: every cell of their table, and what a codec does in the last ones."""

from __future__ import annotations

import pytest

from gateway.stream.budget import Budget
from gateway.stream.codec import STREAM_END, Codec
from gateway.stream.codec_states import TRANSITIONS, CodecMove, CodecState
from gateway.xmpp.addresses import AddressCache
from gateway.xmpp.errors import StreamError
from tests.support.tables import drawn, rows

DIAGRAM = """
             begin     discard      raise   end
root         children  closing_tag  faulty  -
children     -         closing_tag  faulty  ended
closing_tag  -         closing_tag  -       ended
faulty       -         faulty       -       -
ended        -         ended        -       -
"""
ROOT = b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>"


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(CodecState)
    assert drawn(TRANSITIONS, list(CodecMove)) == rows(DIAGRAM)


def faulty() -> Codec:
    codec = Codec(Budget(), AddressCache())
    codec.feed(ROOT + b"<message/></wrong>")
    assert len(codec.take()) == 2
    with pytest.raises(StreamError):
        codec.take()
    return codec


def test_behind_a_fault_there_is_only_the_fault_whatever_is_fed_or_discarded() -> None:
    codec = faulty()
    codec.discard()
    codec.feed(b"<message/></stream:stream>")
    with pytest.raises(StreamError):
        codec.take()


def test_a_fault_that_was_not_reached_is_dropped_by_a_discard() -> None:
    codec = Codec(Budget(), AddressCache())
    codec.feed(ROOT + b"<message/></wrong>")
    assert len(codec.take()) == 2
    codec.discard()
    assert codec.take() == []
    codec.feed(b"</stream:stream>")
    assert codec.take() == [STREAM_END]
    assert codec.take() == []


def test_behind_the_end_nothing_is_read() -> None:
    codec = Codec(Budget(), AddressCache())
    codec.feed(ROOT + b"</stream:stream>")
    assert codec.take()[-1] is STREAM_END
    codec.feed(b"<message/>")
    codec.discard()
    assert codec.take() == []
