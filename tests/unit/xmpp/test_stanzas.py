"""Stanzas: another address on the same bytes, and the answers that RFC 6120 §8.3 allows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import ERROR_TYPES, MalformedAddress, Misuse, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import CLIENT, STANZA_ERRORS, XML
from gateway.xmpp.stanzas import (
    CONTENT,
    TYPES,
    AddressedStanza,
    Stanza,
    error_reply,
    message_type,
    restored,
    result_reply,
)
from tests.support.elements import elements, xml_text
from tests.support.trees import stanza

ALICE, BOB = Address.parse("alice@here.test/x"), Address.parse("bob@there.test")
FAILED = StanzaError(StanzaCondition.ITEM_NOT_FOUND, "no such <person>")


@given(st.lists(elements | xml_text, max_size=3), xml_text)
def test_only_the_addresses_change_when_a_stanza_is_readdressed(children: list[Element | str], id_: str) -> None:
    before = Stanza.from_element(Element(CONTENT, "message", {"from": "a@b.test", "id": id_, "z": "1"}, children))
    after = before.readdressed(to=BOB, from_=ALICE)
    assert (after.to, after.from_, after.id) == (BOB, ALICE, before.id)
    assert after.element == before.element.replace(attributes={"to": BOB.full, "from": ALICE.full})


@pytest.mark.parametrize(
    "raw",
    [
        "<message to='x@y.test'><body to='kept'>to='kept'</body></message>",
        "<message\n to = 'x@y.test'\t/>",
        "<message id='&gt; to=&apos;b&apos;' to='x@y.test'/>",
        "<message p:to='kept' xmlns:p='urn:p' to='x@y.test'/>",
        "<message/>",
    ],
)
def test_an_address_is_replaced_wherever_it_stands(raw: str) -> None:
    changed = stanza(raw).readdressed(to=BOB, from_=ALICE)
    assert changed.to is BOB
    assert changed.element == stanza(raw).element.replace(attributes={"to": BOB.full, "from": ALICE.full})


@pytest.mark.parametrize(
    ("attributes", "is_addressed"),
    [
        ("from='a@b.test' to='c@d.test'", True),
        ("from='a@B.test' to='c@D.test'", True),  # domains that are spelled otherwise go another way in the codec
        ("from='a@b.test'", False),
        ("to='c@d.test'", False),
        ("from='a@b.test' to='@@'", False),
        ("from='@@' to='c@d.test'", False),
        ("", False),
    ],
)
def test_a_stanza_is_addressed_when_it_has_both_addresses_and_no_flaw(attributes: str, is_addressed: bool) -> None:
    came = stanza(f"<message {attributes}><body>Hi</body></message>")
    assert isinstance(came, AddressedStanza) is is_addressed
    assert came.readdressed(to=BOB, from_=ALICE).flaw is None


def test_what_is_kept_or_made_must_have_both_addresses() -> None:
    with pytest.raises(MalformedAddress):
        restored("message", b"<message from='a@b.test'/>")
    with pytest.raises(Misuse):
        AddressedStanza.from_element(Element(CONTENT, "message", {"to": "a@b.test"}))


NO_ANSWER = [
    ("message", "error"), ("presence", "error"), ("iq", "error"), ("iq", "result"),
    ("presence", None), ("presence", "unavailable"), ("presence", "probe"),
]  # fmt: skip
ALL = [(name, type_) for name, types in TYPES.items() for type_ in [None, *sorted(types), "unknown"]]


@pytest.mark.parametrize(("name", "type_"), ALL)
def test_an_error_answers_what_may_be_answered(name: str, type_: str | None) -> None:
    attributes = {"type": type_, "from": ALICE.full, "to": BOB.full, "id": "7"}
    asked = Stanza.from_element(Element(CONTENT, name, attributes, ["payload"]))
    answer = error_reply(asked, FAILED)
    if (name, type_) in NO_ANSWER:
        assert answer is None
        return
    assert answer is not None
    assert (answer.name, answer.type, answer.id) == (name, "error", "7")
    assert (answer.to, answer.from_) == (ALICE, BOB)
    assert error_reply(answer, FAILED) is None


def test_nobody_is_answered_who_is_not_named() -> None:
    assert error_reply(stanza("<iq type='get' id='1' to='bob@there.test'/>"), FAILED) is None
    assert error_reply(stanza("<iq type='get' id='1' from='@@' to='bob@there.test'/>"), FAILED) is None


def test_an_answer_comes_from_us_where_no_address_says_better() -> None:
    for to in ("", " to='@@'"):
        answer = error_reply(stanza(f"<message from='alice@here.test/x'{to}/>"), FAILED, from_=BOB)
        assert answer is not None
        assert answer.from_ == BOB


@pytest.mark.parametrize("condition", StanzaCondition)
def test_an_error_says_what_is_wrong_and_what_to_do(condition: StanzaCondition) -> None:
    answer = error_reply(stanza("<message from='alice@here.test/x' to='b@c.test'/>"), StanzaError(condition, "why"))
    assert answer is not None
    assert answer.element.first(CLIENT, "error") == Element(
        CLIENT,
        "error",
        {"type": ERROR_TYPES[condition]},
        [Element(STANZA_ERRORS, str(condition)), Element(STANZA_ERRORS, "text", {(XML, "lang"): "en"}, ["why"])],
    )


def test_a_result_answers_a_request() -> None:
    request = stanza("<iq type='get' id='7' from='alice@here.test/x' to='bob@there.test'><q xmlns='q'/></iq>")
    answer = result_reply(request, Element("q", "q"))
    assert (answer.type, answer.id, answer.to, answer.from_) == ("result", "7", ALICE, BOB)
    assert list(answer.element.elements()) == [Element("q", "q")]
    assert list(result_reply(request).element.elements()) == []


def test_requests_and_responses_are_told_apart() -> None:
    kinds = {(name, type_): stanza(f"<{name} type='{type_}'/>") for name, type_ in ALL if type_ is not None}
    assert {kind for kind, each in kinds.items() if each.is_request} == {("iq", "get"), ("iq", "set")}
    errors = {(name, "error") for name in TYPES}
    assert {kind for kind, each in kinds.items() if each.is_response} == {("iq", "result"), *errors}


@pytest.mark.parametrize("type_", [*sorted(TYPES["message"]), None, "", "get", "Chat", "unknown"])
def test_a_message_of_an_unknown_type_or_none_counts_as_normal(type_: str | None) -> None:
    message = Stanza.from_element(Element(CONTENT, "message", {"type": type_}))
    assert message_type(message) == (type_ if type_ in TYPES["message"] else "normal")
