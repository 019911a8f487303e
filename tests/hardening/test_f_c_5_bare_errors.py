"""F-C-5: an error where a stream header should stand is understood as what the other server said."""

from __future__ import annotations

import pytest

from gateway.stream.bare_errors import HeaderLacking
from gateway.stream.events import StreamErrorReceived
from gateway.stream.facts import Role
from gateway.xmpp.errors import StreamCondition
from tests.support.talk import CLOSING_TAG, Talk, header, secured, talk
from tests.unit.stream.test_stream import OFFERS_TLS, PROCEED

CONDITION = "<host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
ERROR = f"<stream:error>{CONDITION}</stream:error>"
CLOSE = CLOSING_TAG.decode()
TOLD = StreamErrorReceived(condition=StreamCondition.HOST_UNKNOWN, text="")
SPELLINGS = [
    ERROR,
    ERROR + CLOSE,
    f"<?xml version='1.0'?>{ERROR}{CLOSE}",
    f"\n {ERROR}",
    f"<stream:error xmlns:stream='http://etherx.jabber.org/streams'>{CONDITION}</stream:error>",
    f"<error xmlns='http://etherx.jabber.org/streams'>{CONDITION}</error>",
]


def called(*, bytewise: bool) -> Talk:
    """A stream that we have opened, and that nothing has come on yet."""
    talking = talk(Role.INITIATING)
    talking._bytewise = bytewise
    return talking.open()


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("text", SPELLINGS)
def test_an_error_in_place_of_a_header_is_told(text: str, bytewise: bool) -> None:
    """Hear the condition of an error that nothing goes before, however it is cut."""
    talking = called(bytewise=bytewise).hear(text)
    assert TOLD in talking.events
    assert talking.error is None  # it is they who end the stream


@pytest.mark.parametrize("bytewise", [False, True])
def test_an_error_in_place_of_a_header_after_tls_is_told(bytewise: bool) -> None:
    """Hear the condition of an error that a server writes under TLS without opening the stream again."""
    talking = called(bytewise=bytewise).hear(header(), OFFERS_TLS, PROCEED).answer(secured()).hear(ERROR)
    assert TOLD in talking.events
    assert talking.error is None


def test_what_is_no_error_goes_on_unchanged() -> None:
    """Hold back nothing but what may become an error, and give it on as it came."""
    for text in (b"<stream:stream ", b"<stream:errors", b"HTTP/1.1 400", b" " * 300, b"<?xml version='1.0'?><s:s"):
        lacking = HeaderLacking("jabber:server")
        assert b"".join(lacking.completed(text[at : at + 1]) for at in range(len(text))) == text


def test_nothing_goes_on_after_an_error_without_a_header() -> None:
    """Take no features from a server whose header was never checked."""
    talking = called(bytewise=False).hear(ERROR + OFFERS_TLS)
    assert b"starttls" not in talking.sent
    assert talking.is_closed


def test_who_calls_us_has_to_open_a_stream_first() -> None:
    """Refuse an error without a header from a server that has called us, like other bytes that begin no stream."""
    talking = talk().hear(ERROR)
    assert TOLD not in talking.events
    assert talking.error == "not-well-formed"
