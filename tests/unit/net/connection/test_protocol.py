"""StreamProtocol: the timers of a connection, how it ends, how TLS begins, and when nothing is read or written."""

from __future__ import annotations

import gc
import socket
from pyexpat import XMLParserType

import pytest
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost

from gateway.net.connection.idle_parsers import QUIET_SECONDS
from gateway.stream.facts import Role, Terms
from gateway.stream.sessions import PeerReading
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.ca import authority
from tests.support.talk import CLOSING_TAG, FEATURES, THEIRS, header
from tests.support.tls import contexts
from tests.support.wire import TIMING, Transport, Wire

CLOSING = CLOSING_TAG.decode()
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
RESET = "<reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
SHUTDOWN = StreamError(StreamCondition.SYSTEM_SHUTDOWN)


def message(number: int) -> str:
    return f"<message id='{number}' from='a@theirs.test' to='b@ours.test'><body>hi</body></message>"


def standing(**more: object) -> Wire:
    """An established stream, whose log is empty."""
    wire = Wire(**more).type(header())  # type: ignore[arg-type]
    assert wire.log == ["entered", "connected", "established"]
    wire.log.clear()
    wire.heard()
    return wire


def parsers() -> int:
    return sum(type(each) is XMLParserType for each in gc.get_objects())


def test_a_silent_stream_keeps_no_parser_and_reads_on_all_the_same() -> None:
    others = parsers()
    wire = standing()
    assert parsers() == others
    wire.type(message(1), message(2)[:20])
    assert parsers() == others + 1
    wire.clock.advance(QUIET_SECONDS)
    assert parsers() == others + 1  # which knows half a stanza
    wire.type(message(2)[20:])
    wire.clock.advance(QUIET_SECONDS)
    assert parsers() == others
    wire.type(message(3))
    assert wire.log == [f"stanzas: {number}" for number in (1, 2, 3)]


# Negotiation.


@pytest.mark.parametrize("role", Role)
def test_stanzas_do_not_wait_for_each_other_and_who_is_gone_is_noticed(role: Role) -> None:
    assert Wire(role).transport.options == {"no delay", "keep alive"}


def test_who_opens_the_stream_speaks_first() -> None:
    assert Wire(Role.INITIATING).heard().startswith("<?xml version='1.0'?><stream:stream ")
    assert Wire(Role.RECEIVING).heard() == ""


def test_who_says_nothing_is_told_so_waited_for_and_cut_off() -> None:
    wire = Wire()
    wire.clock.advance(TIMING.negotiate - 1)
    assert wire.heard() == ""
    wire.clock.advance(1)
    assert "<connection-timeout " in wire.heard()
    assert wire.log[2:] == ["closing: connection-timeout: negotiation took too long"]
    wire.clock.advance(TIMING.close)
    assert wire.log[3:] == ["transport: lose"]
    wire.clock.advance(TIMING.close)
    assert wire.log[-1] == "transport: abort"
    wire.leave(ConnectionLost())
    assert wire.log[-1] == "lost: negotiation took more than 30 s"


def test_a_stream_that_stands_is_not_timed_out() -> None:
    wire = standing()
    wire.clock.advance(10 * TIMING.negotiate)
    assert wire.log == []


# TLS.


def test_tls_begins_when_both_sides_have_said_so() -> None:
    wire = Wire(terms=Terms(require_tls=True)).type(header(), STARTTLS)
    assert wire.heard().endswith(PROCEED)
    assert wire.log[-1] == "TLS begins"


@pytest.mark.parametrize("role", Role)
def test_tls_from_the_first_byte_comes_before_any_word(role: Role) -> None:
    wire = Wire(role, direct_tls=True)
    assert wire.log == ["entered", "connected", "TLS begins"]
    handshake = b"\x16"  # the type of the record in which TLS says hello (RFC 8446 §5.1)
    assert wire.transport.value()[:1] == (handshake if role is Role.INITIATING else b"")


def test_behind_the_handshake_the_stream_begins_anew() -> None:
    wire = Wire(Role.INITIATING).type(header(id_="1"), f"<stream:features>{STARTTLS}</stream:features>")
    wire.heard()
    other = contexts(authority().issue(THEIRS)).accepting(THEIRS)
    wire.type(PROCEED).shake_hands(other)
    assert wire.log[-1] == "secured: TLSv1.3"
    assert other.recv(1000).startswith(b"<?xml version='1.0'?><stream:stream ")
    for texts in [(header(id_="2"), FEATURES), (message(1), message(2))]:  # two records in one read
        for text in texts:
            other.send(text.encode())
        wire.transport.read(other.bio_read(10_000))
    assert wire.log[-2:] == ["established", "stanzas: 1 2"]


def test_a_handshake_that_takes_too_long_is_cut_off() -> None:
    wire = Wire(direct_tls=True)
    wire.clock.advance(TIMING.negotiate)
    assert wire.log[-1] == "transport: abort"
    assert wire.leave(ConnectionLost()).log[-1] == "lost: the TLS handshake took more than 30 s"


# Idleness.


def test_who_is_silent_for_too_long_is_closed_properly() -> None:
    wire = standing(terms=Terms(require_tls=False, idle_seconds=100))
    wire.clock.advance(99)
    wire.type(message(1))
    wire.clock.advance(60)
    wire.connection.write(b"<presence/>")  # what goes out counts like what comes in
    assert wire.heard() == "<presence/>"
    wire.clock.advance(99)
    assert wire.log == ["stanzas: 1"]
    wire.clock.advance(1)
    assert wire.heard() == CLOSING
    wire.type(CLOSING).leave()
    assert wire.log[1:] == [
        "closing: in good order",
        "transport: lose",
        "left",
        "lost: closed by us: nothing passed for 100 s",
    ]


def test_whom_we_do_not_read_is_not_idle() -> None:
    wire = standing(terms=Terms(require_tls=False, idle_seconds=100))
    wire.takes_time = [Deferred()]
    wire.type(message(1))
    wire.clock.pump([100] * 5)
    assert wire.heard() == ""


# The end, by us.


@pytest.mark.parametrize(
    ("error", "told"), [(None, "closed by us"), (SHUTDOWN, f"closed by us: {SHUTDOWN}")], ids=["done", "error"]
)
def test_the_other_side_is_given_time_for_its_closing_tag(error: StreamError | None, told: str) -> None:
    wire = standing()
    wire.connection.close(error)
    assert wire.heard().endswith(CLOSING)
    wire.clock.advance(TIMING.close - 1)
    assert "transport: lose" not in wire.log
    wire.type(message(1))  # was on its way
    wire.type(CLOSING)
    assert wire.log == [f"closing: {error or 'in good order'}", "stanzas: 1", "transport: lose"]
    wire.leave()
    assert wire.log[-1] == f"lost: {told}"


def test_a_connection_that_ends_well_behind_our_closing_tag_is_an_answer_too() -> None:
    wire = standing()
    wire.connection.close()
    wire.leave(ConnectionDone())
    assert wire.ending.answered


def test_and_when_it_has_none_left_tcp_ends_all_the_same() -> None:
    wire = standing()
    wire.connection.close()
    wire.clock.advance(TIMING.close)
    assert wire.log[-1] == "transport: lose"
    wire.clock.advance(TIMING.close)
    assert wire.log[-1] == "transport: abort"
    wire.leave(ConnectionLost())
    assert not wire.ending.answered


def test_a_stream_is_closed_once() -> None:
    wire = standing()
    wire.connection.close()
    wire.connection.close(SHUTDOWN)
    assert wire.heard() == CLOSING
    assert wire.log == ["closing: in good order"]


def test_who_is_dismissed_is_not_waited_for() -> None:
    wire = standing()
    wire.connection.dismiss(SHUTDOWN)
    assert "<system-shutdown " in wire.heard()
    assert wire.log == [f"closing: {SHUTDOWN}", "transport: lose"]


@pytest.mark.parametrize("direct_tls", [True, False])
def test_who_is_dismissed_in_the_middle_of_a_tls_handshake_is_cut_off(direct_tls: bool) -> None:
    """TLS would wait for the end of the handshake first, which never comes from a peer that only takes up room."""
    wire = Wire(direct_tls=direct_tls, terms=Terms(require_tls=True))
    if not direct_tls:
        wire.type(header(), STARTTLS)
    assert wire.log[-1] == "TLS begins"
    wire.connection.dismiss(SHUTDOWN)
    assert wire.log[-1] == "transport: abort"


def test_a_connection_that_is_finished_is_no_answer_of_the_other_side() -> None:
    wire = standing()
    wire.connection.close()
    wire.connection.finish("enough")
    assert wire.leave().log[-1] == "lost: closed by us"
    assert not wire.ending.answered


def test_a_connection_can_end_without_a_word_and_the_first_reason_is_told() -> None:
    wire = standing()
    wire.connection.finish("another connection took its place")
    wire.connection.abort("and again")
    assert wire.heard() == ""
    wire.leave()
    assert wire.log == ["transport: lose", "transport: abort", "left", "lost: another connection took its place"]


# The end, by the other side.


def test_a_closing_tag_is_answered_and_then_tcp_ends() -> None:
    wire = standing().type(CLOSING)
    assert wire.heard() == CLOSING
    assert wire.log == ["closing: in good order", "transport: lose"]
    assert wire.leave().log[-1] == "lost: the other side closed the stream"


def test_a_closing_tag_waits_for_the_last_answers_and_no_byte_behind_it_makes_it_wait_longer() -> None:
    wire = standing()
    wire.owes = Deferred()
    wire.type(CLOSING)
    for _ in range(4):
        wire.clock.advance(TIMING.close / 5)
        wire.type(" ")
        assert wire.heard() == ""
    wire.clock.advance(TIMING.close / 5)
    assert wire.heard() == CLOSING
    assert wire.log == ["closing: in good order", "transport: lose"]


def test_a_closing_tag_is_answered_as_soon_as_all_else_is() -> None:
    wire = standing()
    wire.owes = Deferred()
    wire.type(CLOSING)
    wire.owes.callback(None)
    assert wire.heard() == CLOSING
    assert wire.log == ["closing: in good order", "transport: lose"]


@pytest.mark.parametrize(
    ("typed", "reason", "closed", "error", "properly"),
    [
        ("", ConnectionDone(), False, None, False),
        (CLOSING, ConnectionLost(), True, None, True),
        (f"<stream:error>{RESET}</stream:error>", ConnectionDone(), False, StreamCondition.RESET, False),
        (f"<stream:error>{RESET}</stream:error>{CLOSING}", ConnectionDone(), True, StreamCondition.RESET, False),
    ],
    ids=["nothing", "closing tag", "error", "error and closing tag"],
)
def test_a_session_learns_how_its_connection_ended(
    typed: str, reason: Exception, closed: bool, error: StreamCondition | None, properly: bool
) -> None:
    ending = standing().type(typed).leave(reason).ending
    assert (ending.closed, ending.error, ending.closed_properly) == (closed, error, properly)


def test_orders_that_come_too_late_are_carried_out_by_nobody() -> None:
    wire = standing().leave()
    wire.connection.close()
    wire.connection.finish("too late")
    assert wire.heard() == ""
    assert wire.log == ["left", "lost: the other side closed the connection"]


def test_what_breaks_a_rule_is_told_and_ends_the_stream() -> None:
    wire = standing().type("<!-- a remark -->")
    assert "<restricted-xml " in wire.heard()
    assert wire.log[-1] == "transport: lose"


@pytest.mark.parametrize(
    ("first", "language"),
    [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP"),
        ("\x16\x03\x01\x02\x00", "TLS from the first byte"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "the PROXY protocol"),
    ],
)
def test_who_speaks_another_language_is_told_apart(first: str, language: str) -> None:
    wire = Wire().type(first)
    assert "<not-well-formed " in wire.heard()
    assert wire.log[2].startswith(f"closing: not-well-formed: it speaks {language}")
    assert wire.log[3] == "transport: lose"
    assert wire.type("more").heard() == ""


@pytest.mark.parametrize("role", Role)
def test_the_first_bytes_may_come_one_by_one(role: Role) -> None:
    wire = Wire(role).type(*header(id_="1"))
    assert wire.heard()
    assert wire.log == ["entered", "connected", *(["established"] if role is Role.RECEIVING else [])]


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (ConnectionDone(), "the other side closed the connection"),
        (ConnectionLost(), "the connection broke"),
        (SSL.Error([("SSL routines", "", "no shared cipher")]), "TLS failed: no shared cipher"),
        (SSL.Error([]), "TLS failed: the connection was closed in the middle of it"),
        (TimeoutError("no route"), "the connection was lost: no route"),
    ],
)
def test_a_connection_that_is_lost_is_lost_for_a_reason(reason: Exception, told: str) -> None:
    assert standing().leave(reason).log == ["left", f"lost: {told}"]


def test_nothing_is_left_of_a_connection_that_is_lost() -> None:
    wire = standing(terms=Terms(require_tls=False, idle_seconds=100))
    wire.clog()
    before: Deferred[None] = wire.connection.when_lost()
    wire.leave()
    wire.heard()
    assert before.called
    assert wire.connection.when_lost().called
    assert wire.clock.getDelayedCalls() == []
    wire.connection.write(b"<presence/>")
    assert wire.heard() == ""


# Holding back.


def test_nothing_is_read_while_a_stanza_takes_its_time() -> None:
    wire = standing()
    first, second = wire.takes_time = [Deferred(), Deferred()]
    wire.type(message(1))
    wire.type(message(2))  # was read before the transport could be paused
    assert wire.log == ["stanzas: 1", "transport: pause"]
    first.callback(None)
    assert wire.log[2:] == ["transport: resume", "stanzas: 2", "transport: pause"]
    second.callback(None)
    assert wire.log[-1] == "transport: resume"


def test_who_is_closed_is_read_to_the_end() -> None:
    wire = standing()
    (waited,) = wire.takes_time = [Deferred()]
    wire.type(message(1)).type(message(2))
    wire.connection.close()
    wire.type(CLOSING)
    assert wire.log == [
        "stanzas: 1",
        "transport: pause",
        "transport: resume",
        "stanzas: 2",
        "closing: in good order",
        "transport: lose",
    ]
    waited.callback(None)
    assert wire.log[-1] == "transport: lose"


def test_what_came_before_the_connection_was_lost_is_read() -> None:
    wire = standing()
    wire.type(message(1)).type(message(2)).leave()
    assert wire.log == ["stanzas: 1", "stanzas: 2", "left", "lost: the other side closed the connection"]


def test_there_is_room_until_the_buffer_is_full() -> None:
    wire = standing()
    assert wire.connection.has_room
    assert wire.connection.room() is None
    wire.clog()
    assert not wire.connection.has_room
    wait = wire.connection.room()
    assert wait is not None
    wire.clock.advance(TIMING.stall - 1)
    wire.unclog()
    assert wait.called
    assert wire.connection.has_room
    wire.clock.advance(TIMING.stall)
    assert wire.log == []


def test_who_takes_nothing_for_too_long_is_cut_off() -> None:
    wire = standing()
    wire.clog()
    wire.clock.advance(TIMING.stall)
    wire.leave(ConnectionLost())
    assert wire.log == ["transport: abort", "left", "lost: it read nothing for 60 s"]
    assert wire.ending.reading is PeerReading.STALLED


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system takes its own time")
def test_the_system_has_more_patience_than_we_have(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as connection:
        monkeypatch.setattr(Transport, "getHandle", lambda _: connection, raising=False)
        standing()
        patience = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert patience == 1000 * TIMING.silence > 1000 * TIMING.stall


def test_behind_our_closing_tag_there_is_no_room_any_more() -> None:
    wire = standing()
    wire.clog()
    wire.connection.close()
    wire.unclog()
    assert not wire.connection.has_room


def test_nobody_waits_for_room_on_a_connection_that_is_lost() -> None:
    wire = standing()
    wire.clog()
    wait = wire.connection.room()
    assert wait is not None
    wire.leave()
    assert wait.called
    assert not wire.connection.has_room
