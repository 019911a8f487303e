"""What is known about the disk while stanzas are read ahead: nothing that was put is ever passed over."""

from __future__ import annotations

from itertools import product

import pytest

from gateway.outbox.read_ahead import AFTER, MOST_BYTES, ReadAhead, ReadEvent, ReadState

ANSWERS = (ReadEvent.FIND, ReadEvent.FIND_NOTHING, ReadEvent.FAIL)


def test_something_may_be_put_and_a_stream_may_end_at_any_time() -> None:
    assert all({ReadEvent.PUT, ReadEvent.END} <= set(row) for row in AFTER.values())


def test_the_disk_is_asked_once_at_a_time_and_answers_only_then() -> None:
    reading = {state for state, row in AFTER.items() if ReadEvent.FIND in row}
    assert reading == {ReadState.READING, ReadState.READING_BEHIND}
    for state, row in AFTER.items():
        assert (ReadEvent.ASK in row) == (state is ReadState.UNREAD)
        assert all((answer in row) == (state in reading) for answer in ANSWERS)


@pytest.mark.parametrize("has_more", [True, False])
def test_all_is_read_only_when_the_disk_was_asked_after_the_last_put(has_more: bool) -> None:
    for events in product(ReadEvent, repeat=6):
        ahead, known = ReadAhead(has_more=has_more), not has_more
        asked = False  # since the last put
        for event in events:
            if event not in AFTER[ahead.state]:
                break
            ahead.note(event)
            match event:
                case ReadEvent.PUT | ReadEvent.END:
                    known = asked = False
                case ReadEvent.ASK:
                    asked = True
                case ReadEvent.FIND_NOTHING:
                    known = asked
            assert (ahead.state is ReadState.COMPLETE) == known, events


def test_only_what_comes_next_is_remembered_and_not_too_much() -> None:
    ahead = ReadAhead(has_more=False)
    assert ahead.has_room(MOST_BYTES)
    assert not ahead.has_room(MOST_BYTES + 1)
    ahead.note(ReadEvent.PUT)
    assert not ahead.has_room(1)
