"""The answers that a stanza makes to itself."""

from __future__ import annotations

import pytest

from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError
from gateway.xmpp.stanzas import error_of_reply
from tests.support.trees import element, stanza

ADDRESSES = "from='juliet@a.test/b' to='echo@s.test/r'"
BACK = "from='echo@s.test/r' to='juliet@a.test/b'"
CONDITION = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (f"<message {ADDRESSES} id='1'/>", f"<message {BACK}><body>Hi</body></message>"),
        (f"<message {ADDRESSES} type='chat'/>", f"<message {BACK} type='chat'><body>Hi</body></message>"),
        (
            f"<message {ADDRESSES}><thread>t</thread></message>",
            f"<message {BACK}><body>Hi</body><thread>t</thread></message>",
        ),
        (
            f"<message {ADDRESSES} type='groupchat'/>",
            "<message from='echo@s.test/r' to='juliet@a.test' type='groupchat'><body>Hi</body></message>",
        ),
    ],
)
def test_a_reply_goes_back(asked: str, answer: str) -> None:
    assert stanza(asked).reply(body="Hi").element == element(answer)


def test_a_reply_may_have_any_content() -> None:
    hint = Element("urn:xmpp:hints", "no-store")
    assert stanza(f"<message {ADDRESSES}/>").reply(hint).element.children == (hint,)


@pytest.mark.parametrize("xml", ["<presence {}/>", "<iq type='get' id='1' {}/>", "<message type='error' {}/>"])
def test_there_is_no_reply_to_what_is_no_message(xml: str) -> None:
    with pytest.raises(Misuse, match="messages that are not errors"):
        stanza(xml.format(ADDRESSES)).reply(body="Hi")


def test_a_result_has_the_id_of_its_request() -> None:
    query = Element("urn:q", "query")
    asked = stanza(f"<iq {ADDRESSES} type='get' id='7'><query xmlns='urn:q'/></iq>")
    assert asked.result(query).element == element(f"<iq {BACK} type='result' id='7'><query xmlns='urn:q'/></iq>")
    with pytest.raises(Misuse, match="an iq of type get or set"):
        asked.result().result()


def test_an_error_names_its_condition_and_is_read_again() -> None:
    error = stanza(f"<message {ADDRESSES} id='1'/>").error("not-allowed", "Only friends")
    assert error is not None
    assert (str(error.to), error.type, error.id) == ("juliet@a.test/b", "error", "1")
    read = error_of_reply(error)
    assert (read.condition, read.text, read.error_type) == (StanzaCondition.NOT_ALLOWED, "Only friends", "cancel")


def test_what_must_not_be_answered_has_no_error() -> None:
    assert stanza(f"<message {ADDRESSES} type='error'/>").error("forbidden") is None


def test_a_condition_that_does_not_exist_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="fobidden"):
        stanza(f"<message {ADDRESSES}/>").error("fobidden")


@pytest.mark.parametrize("error", ["", "<error/>", "<error type='odd'><new xmlns='urn:new'/></error>"])
def test_an_error_that_says_nothing_known_is_undefined(error: str) -> None:
    read = error_of_reply(stanza(f"<iq {ADDRESSES} type='error' id='1'>{error}</iq>"))
    assert isinstance(read, StanzaError)
    assert read.condition is StanzaCondition.UNDEFINED_CONDITION


@pytest.mark.parametrize(
    ("content", "body"), [("", None), ("<body/>", ""), ("<body>a</body><body xml:lang='de'>b</body>", "a")]
)
def test_the_body_is_the_first(content: str, body: str | None) -> None:
    assert stanza(f"<message {ADDRESSES}>{content}</message>").body == body
