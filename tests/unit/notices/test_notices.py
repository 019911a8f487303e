"""The board hands notices to those who want them, in their order, until they want no more."""

from __future__ import annotations

import pytest

from gateway.notices.notices import Board, LoopLag, MaybeLost, Notice, Remark, StanzaBounced


@pytest.fixture
def board() -> Board:
    return Board()


def test_everybody_hears_in_the_order_of_subscription(board: Board) -> None:
    heard: list[str] = []
    board.subscribe(lambda notice: heard.append("first"))
    board.subscribe(lambda notice: heard.append("second"))
    board.publish(Remark(text="x"))
    assert heard == ["first", "second"]


def test_who_wants_some_kinds_hears_only_those_and_what_derives_from_them(board: Board) -> None:
    class Louder(Remark):
        """A kind of remark."""

    heard: list[Notice] = []
    board.subscribe(heard.append, Remark, MaybeLost)
    published = [
        Remark(text="x"),
        LoopLag(seconds=1),
        Louder(text="y"),
        MaybeLost(domain="far.test", count=1, seconds=1, reason="cut"),
    ]
    for notice in published:
        board.publish(notice)
    assert heard == [published[0], published[2], published[3]]


def test_a_subscription_ends(board: Board) -> None:
    heard: list[Notice] = []
    end = board.subscribe(heard.append, Remark)
    board.publish(Remark(text="x"))
    end()
    board.publish(Remark(text="y"))
    assert len(heard) == 1


def test_who_comes_later_hears_kinds_that_were_published_before(board: Board) -> None:
    board.publish(Remark(text="before"))
    heard: list[Notice] = []
    board.subscribe(heard.append, Remark)
    board.publish(Remark(text="after"))
    assert [notice.sentence for notice in heard] == ["after"]


@pytest.mark.parametrize(
    ("id_", "answered", "sentence"),
    [
        ("7", True, "iq '7' from a to b was answered with forbidden: no"),
        ("7", False, "iq '7' from a to b was dropped without an error: forbidden: no"),
        (None, True, "iq without id from a to b was answered with forbidden: no"),
    ],
)
def test_which_stanza_was_not_delivered_is_told(id_: str | None, answered: bool, sentence: str) -> None:
    bounced = StanzaBounced(
        name="iq", id=id_, sender="a", target="b", condition="forbidden", reason="no", answered=answered
    )
    assert bounced.sentence == sentence
