"""Dialback elements: each part's elements are read by the part that they are for (XEP-0220 §2)."""

from __future__ import annotations

import pytest

from gateway.dialback.exchange import (
    Assertion,
    KeyQuestion,
    KeyVerdict,
    read_result,
    read_verify,
    result_answer,
    result_request,
    verify_answer,
    verify_request,
)
from gateway.stream.header import declared_prefixes
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import ERROR_TYPES, StanzaCondition, StreamCondition, StreamError
from gateway.xmpp.namespaces import SERVER
from tests.support.steps import element

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))
QUESTION = KeyQuestion(pair=PAIR, stream_id="s", key="k")


def on_the_wire(sent: Element) -> Element:
    return element(
        sent.serialize(SERVER, declared_prefixes(SERVER)).decode().replace("<error", f"<error xmlns='{SERVER}'")
    )


def test_what_one_part_sends_is_what_the_other_reads() -> None:
    """The four elements of XEP-0220 §2.1, which all speak of the same pair."""
    assert read_result(on_the_wire(result_request(PAIR, "k"))) == Assertion(pair=PAIR, key="k")
    assert read_verify(on_the_wire(verify_request(PAIR, "s", "k"))) == QUESTION
    for valid in (True, False):
        assert read_verify(on_the_wire(verify_answer(QUESTION, valid))) == KeyVerdict(
            pair=PAIR, valid=valid, stream_id="s"
        )
        assert read_result(on_the_wire(result_answer(PAIR, valid))) == KeyVerdict(pair=PAIR, valid=valid)


@pytest.mark.parametrize("condition", StanzaCondition)
def test_an_error_is_neither_valid_nor_invalid(condition: StanzaCondition) -> None:
    sent = result_answer(PAIR, condition, "why")
    read = read_result(on_the_wire(sent))
    assert read == KeyVerdict(pair=PAIR, valid=None, condition=str(condition), text="why")
    error = sent.first(SERVER, "error")
    assert error is not None
    assert error.get("type") == ERROR_TYPES[condition]
    asked = read_verify(on_the_wire(verify_answer(QUESTION, condition)))
    assert asked == KeyVerdict(pair=PAIR, valid=None, stream_id="s", condition=str(condition))


def test_each_element_says_who_speaks_to_whom() -> None:
    directions = {
        "step 1": result_request(PAIR, "k"),
        "step 2": verify_request(PAIR, "s", "k"),
        "step 3": verify_answer(QUESTION, True),
        "step 4": result_answer(PAIR, True),
    }
    assert {step: (sent.get("from"), sent.get("to")) for step, sent in directions.items()} == {
        "step 1": ("capulet.test", "montague.test"),
        "step 2": ("montague.test", "capulet.test"),
        "step 3": ("capulet.test", "montague.test"),
        "step 4": ("montague.test", "capulet.test"),
    }


READ = [
    ("<db:result from='CAPULET.test.' to='Montague.Test'>\n k \n</db:result>", Assertion(pair=PAIR, key="k")),
    ("<db:result from='montague.test' to='capulet.test' type='valid' id='1'>k</db:result>",
     KeyVerdict(pair=PAIR, valid=True)),
    ("<db:result from='montague.test' to='capulet.test' type='error'/>",
     KeyVerdict(pair=PAIR, valid=None, condition="undefined-condition")),
    ("<db:result from='montague.test' to='capulet.test' type='error'><error xmlns='jabber:server'><x xmlns='y'/>"
     "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>t</text></error></db:result>",
     KeyVerdict(pair=PAIR, valid=None, condition="undefined-condition", text="t")),
]  # fmt: skip


@pytest.mark.parametrize(("text", "read"), READ)
def test_what_real_servers_send_is_read(text: str, read: object) -> None:
    assert read_result(element(text)) == read


REFUSED = [
    ("result without 'from'", read_result, "<db:result to='a.test'>k</db:result>", "improper-addressing"),
    ("result without 'to'", read_result, "<db:result from='a.test'>k</db:result>", "improper-addressing"),
    ("empty 'to'", read_result, "<db:result from='a.test' to=''>k</db:result>", "improper-addressing"),
    ("no domain", read_result, "<db:result from='a.test' to='b..c'>k</db:result>", "improper-addressing"),
    ("a user", read_result, "<db:result from='u@a.test' to='b.test'>k</db:result>", "improper-addressing"),
    ("a resource", read_result, "<db:result from='a.test' to='b.test/r'>k</db:result>", "improper-addressing"),
    ("no key", read_result, "<db:result from='a.test' to='b.test'> </db:result>", "bad-format"),
    ("an unknown type", read_result, "<db:result from='a.test' to='b.test' type='maybe'/>", "bad-format"),
    ("an empty type", read_result, "<db:result from='a.test' to='b.test' type=''>k</db:result>", "bad-format"),
    ("verify without id", read_verify, "<db:verify from='a.test' to='b.test'>k</db:verify>", "bad-format"),
    ("verify with an empty id", read_verify, "<db:verify from='a.test' to='b.test' id=''>k</db:verify>", "bad-format"),
    ("verify without key", read_verify, "<db:verify from='a.test' to='b.test' id='s'/>", "bad-format"),
    ("verify without 'from'", read_verify, "<db:verify to='b.test' id='s'>k</db:verify>", "improper-addressing"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "text", "condition"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_half_there_is_a_stream_error(read, text: str, condition: str) -> None:
    with pytest.raises(StreamError) as raised:
        read(element(text))
    assert raised.value.condition is StreamCondition(condition)
