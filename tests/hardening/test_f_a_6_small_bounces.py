"""A-6: an error is no larger than its cause and a kilobyte, whatever the cause is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.router import NOBODY_THERE
from gateway.xmpp.elements import escape_attribute, quote_attribute, unescape
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.faults import StreamKind
from gateway.xmpp.stanzas import error_reply, result_reply
from tests.support.ends import ENDS, STANZA_BYTES, condition_of
from tests.support.neighbours import Neighbours
from tests.support.trees import stanza

ERROR = StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "nobody is there")
LONG = "<iq from='a@b.test' to='ours.test' type='get' id='{}'><x xmlns='y'/></iq>".format('"' * 5000)
SPECIAL = "\"'<>&\t\n\r\u00e9\ufdfa\u2460\u33c2\U0001f600"
# Values as somebody might write them, in the fewest bytes or with more.
VALUES = st.one_of(
    st.tuples(st.sampled_from(SPECIAL), st.integers(1, 340)).map(lambda each: each[0] * each[1]),
    st.text(SPECIAL + "ab", max_size=60),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30),
)
ADDRESSES = st.tuples(
    st.sampled_from(["", "a@", "\u00fc" * 50 + "@", "\u2121" * 100 + "@"]),
    st.sampled_from(["far.test", "FAR.test.", "\u33c2\u33c2.test"]),
    st.one_of(st.just(""), st.sampled_from("\"'<>&\u00e9\ufdfa\u2460\u33c2").map(lambda each: "/" + 31 * each)),
).map("".join)


def written(value: str, quote: str, spelling: int) -> str:
    """An attribute value in one of the ways in which it can be written."""
    if spelling == 0:
        return quote_attribute(value)
    if spelling == 1:
        return f"'{escape_attribute(value)}'"
    text = value.replace("&", "&#38;").replace("<", "&#60;").replace(quote, f"&#{ord(quote)};")
    return quote + "".join(f"&#{ord(each)};" if each in "\t\n\r" else each for each in text) + quote


@given(VALUES, st.sampled_from("'\""))
def test_f_a_6_nothing_is_written_in_more_bytes_than_before(value: str, quote: str) -> None:
    if "\ufffe" in value or "\uffff" in value:
        return
    for spelling in (1, 2):
        assert len(quote_attribute(value).encode()) <= len(written(value, quote, spelling).encode())
    assert unescape(quote_attribute(value)[1:-1].encode()) == value


@given(
    st.sampled_from(["message", "presence", "iq"]), ADDRESSES, ADDRESSES, VALUES, st.sampled_from("'\""), st.booleans()
)
def test_f_a_6_a_bounce(kind: str, from_: str, to: str, id_: str, quote: str, later: bool) -> None:
    if "\ufffe" in id_ or "\uffff" in id_:
        return
    attributes = {"from": from_, "to": to, "id": id_, "type": {"presence": "subscribe", "iq": "get"}.get(kind, "chat")}
    start = "".join(f" {name}={written(value, quote, 2)}" for name, value in attributes.items())
    text = f"<{kind}{start}><x xmlns='y'/></{kind}>"
    cause = stanza(text)
    if later and kind == "iq":
        neighbours = Neighbours()
        neighbours.router.requests.asked("nobody", cause)
        (cause,) = neighbours.router.requests.abandoned("nobody")
    reply = error_reply(cause, ERROR, from_=stanza("<iq from='ours.test'/>").from_)
    if reply is None:
        return
    assert len(reply.raw) <= len(text.encode()) + 1024
    again = stanza(reply.raw.decode())
    assert (again.id, again.from_, again.type) == (cause.id, reply.from_, "error")
    assert again.to == reply.to
    assert condition_of(again) == "service-unavailable"


@pytest.mark.parametrize("character", ['"', "'", "<", "&", ">", "\t", "\u00e9"])
@pytest.mark.parametrize("kind", StreamKind)
def test_f_a_6_an_id_comes_back_as_it_was_written(kind: StreamKind, character: str) -> None:
    end = ENDS[kind]()
    id_ = written(character * 1000, '"' if character != '"' else "'", 2)
    cause = f"<iq from='{end.sender}' to='{end.recipient}' type='get' id={id_}/>"
    assert len(cause) < STANZA_BYTES
    end.type(cause)
    (error,) = end.told()
    assert f" id={id_}".encode() in (end.written or error.raw)
    assert len(end.written or error.raw) <= len(cause.encode()) + 1024


def test_f_a_6_a_result_does_not_grow_either() -> None:
    assert len(result_reply(stanza(LONG)).raw) <= len(LONG)


def test_f_a_6_a_request_that_is_given_up_is_answered_in_few_bytes() -> None:
    neighbours = Neighbours()
    neighbours.router.requests.asked(neighbours.inside, stanza(LONG))
    neighbours.router.abandon(neighbours.inside, NOBODY_THERE)
    (error,) = neighbours.outside.got
    assert len(error.raw) <= len(LONG) + 1024
