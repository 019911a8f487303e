"""Stream: whole talks, which are the same byte by byte, and the rules that no feature knows of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.features.dialback import Dialback
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import AcknowledgementRequested, ManagementGranted, between_servers
from gateway.stream.budget import Budget
from gateway.stream.events import (
    CloseTransport,
    NegotiationCompleted,
    PairChecked,
    PairRefused,
    PairVerified,
    ProofFailed,
    SecureTransport,
    Send,
    StreamClosed,
    StreamErrorReceived,
    StreamOpened,
    VerifyPair,
)
from gateway.stream.facts import Means, Role
from gateway.stream.negotiation import Step
from gateway.stream.profiles import server_profile
from gateway.stream.states import State
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.talk import (
    CLOSING_TAG,
    FEATURES,
    IN_CLEAR,
    INBOUND,
    KEYS,
    OURS,
    OUTBOUND,
    Script,
    Talk,
    begin_initiating,
    begin_receiving,
    header,
    message,
    proved,
    same_however_cut,
    secured,
    talk,
    under_tls,
)

SM = "urn:xmpp:sm:3"
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>dGhlaXJzLnRlc3Q=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
NOT_NOW = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
OFFERS_TLS = f"<stream:features>{STARTTLS}</stream:features>"
OFFERS_EXTERNAL = (
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "</stream:features>"
)
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"
VALID = "<db:result from='theirs.test' to='ours.test' type='valid'/>"
ERROR = (
    "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>who?</text></stream:error>"
)
CLOSE = CLOSING_TAG.decode()


def close(talking: Talk) -> Talk:
    return talking.close()


def open_(talking: Talk) -> Talk:
    return talking.open()


def kinds(talking: Talk) -> list[object]:
    """Return what was said to the owner: stanzas as bytes, everything else by its class."""
    return [word if isinstance(word, bytes) else type(word) for word in talking.events]


HI = message().encode()
TALKS: list[tuple[Script, list[object]]] = [
    (
        Script(
            "EXTERNAL, receiving",
            begin_receiving,
            (header(), STARTTLS, secured(), header(), AUTH, header(), message() * 2, " \n", message(), CLOSE),
        ),
        [StreamOpened, SecureTransport, StreamOpened, PairVerified, StreamOpened, NegotiationCompleted, HI, HI, HI,
         StreamClosed, CloseTransport],
    ),
    (
        Script(
            "EXTERNAL, initiating",
            begin_initiating,
            (open_, header(id_="1"), OFFERS_TLS, PROCEED, secured(), header(id_="2"), OFFERS_EXTERNAL, SUCCESS,
             header(id_="3"), FEATURES, close, message(), CLOSE),
        ),
        [StreamOpened, SecureTransport, StreamOpened, PairVerified, StreamOpened, NegotiationCompleted, CloseTransport,
         HI, StreamClosed],
    ),
    (
        Script(
            "dialback, receiving",
            begin_receiving,
            (header(), STARTTLS, secured(None), header(), ASSERTED, PairChecked(pair=INBOUND, valid=True), message()),
        ),
        [StreamOpened, SecureTransport, StreamOpened, VerifyPair, PairVerified, NegotiationCompleted, HI],
    ),
    (
        Script(
            "dialback after a failure of EXTERNAL, initiating",
            begin_initiating,
            (open_, header(id_="1") + OFFERS_TLS, PROCEED, secured(), header(id_="2") + OFFERS_EXTERNAL + NOT_NOW,
             VALID),
        ),
        [StreamOpened, SecureTransport, StreamOpened, ProofFailed, PairVerified, NegotiationCompleted],
    ),
    (
        Script(
            "refused dialback, receiving",
            begin_receiving,
            (header(), STARTTLS, secured(None), header() + ASSERTED, PairChecked(pair=INBOUND, valid=False), message()),
        ),
        [StreamOpened, SecureTransport, StreamOpened, VerifyPair, PairRefused, CloseTransport],
    ),
    (
        Script(
            "their error",
            begin_receiving,
            (header() + ERROR + CLOSE + message(),),
        ),
        [StreamOpened, StreamErrorReceived, StreamClosed, CloseTransport],
    ),
    (
        Script(
            "much in one segment",
            lambda *, bytewise: under_tls(bytewise=bytewise),
            (header() + ASSERTED * 2 + message() + "<unknown/>" + message(),),
        ),
        [StreamOpened, PairVerified, NegotiationCompleted, HI, CloseTransport],
    ),
    (
        Script(
            "garbage behind stanzas",
            lambda *, bytewise: proved(bytewise=bytewise),
            (message() * 3 + "<message><body>&nope;</body></message>" + message(),),
        ),
        [HI, HI, HI, CloseTransport, StreamClosed],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("script", "expected"), TALKS, ids=[script.name for script, _ in TALKS])
def test_a_talk_goes_as_it_should_however_it_is_cut(script: Script, expected: list[object]) -> None:
    assert kinds(same_however_cut(script)) == expected


def test_header_and_features_leave_in_one_write() -> None:
    (opened, sent) = talk().hear(header()).said
    assert isinstance(opened, StreamOpened)
    assert isinstance(sent, Send)
    assert sent.data.startswith(b"<?xml")
    assert sent.data.endswith(b"</stream:features>")


# -- what comes at the wrong time ------------------------------------------------------------------------------------

EARLY = [
    ("stanza before TLS", lambda: talk().hear(header(), message()), "not-authorized"),
    ("stanza before proof", lambda: under_tls().hear(header(), message()), "not-authorized"),
    ("unknown element", lambda: proved().hear("<x xmlns='y'/>"), "unsupported-stanza-type"),
    ("stanza of another content", lambda: proved().hear("<message xmlns='jabber:other'/>"), "unsupported-stanza-type"),
    ("features to the receiving entity", lambda: proved().hear(FEATURES), "unsupported-stanza-type"),
    ("features twice", lambda: talk(Role.INITIATING).open().hear(header(), OFFERS_TLS, OFFERS_TLS), "bad-format"),
    ("STARTTLS when established",
     lambda: talk(terms=IN_CLEAR, proofs={INBOUND: Means.DIALBACK}).hear(header(), STARTTLS),
     "unsupported-stanza-type"),
    ("text between stanzas", lambda: proved().hear("hello"), "bad-format"),
    ("nothing that leads on",
     lambda: under_tls(Role.INITIATING, terms=replace(IN_CLEAR, means=(Means.EXTERNAL,))).open()
     .hear(header(id_="1"), FEATURES), "unsupported-feature"),
]  # fmt: skip


@pytest.mark.parametrize(("say", "condition"), [row[1:] for row in EARLY], ids=[row[0] for row in EARLY])
def test_what_has_no_cell_ends_the_stream(say: Callable[[], Talk], condition: str) -> None:
    talking = say()
    assert (talking.error, talking.is_closed) == (condition, True)
    assert talking.forget().hear(message(), ERROR).said == []


def test_an_error_quotes_little_of_what_was_wrong() -> None:
    talking = proved().hear(f"<{'x' * 5000} xmlns='{'y' * 900}'/>")
    assert talking.error == "unsupported-stanza-type"
    assert len(talking.sent) < 600


# -- the two ways of closing -----------------------------------------------------------------------------------------


def test_after_a_proper_close_what_was_on_its_way_is_taken() -> None:
    talking = proved().close().hear(message(), CLOSE, message())
    assert kinds(talking) == [CloseTransport, HI, StreamClosed]
    assert talking.sent == CLOSING_TAG


@pytest.mark.parametrize("condition", [StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.RESET])
def test_when_we_leave_by_no_fault_of_theirs_it_is_taken_too(condition: StreamCondition) -> None:
    assert HI in proved().close(StreamError(condition)).hear(message()).said


def test_after_an_error_only_the_closing_tag_counts() -> None:
    talking = proved().close(StreamError(StreamCondition.INVALID_FROM)).forget()
    assert talking.hear(message(), ASSERTED, "<unknown/>", message()).said == []
    assert talking.stream.state is State.DISCARDING


def test_h_23_no_stanza_passes_when_negotiation_was_never_complete() -> None:
    assert kinds(under_tls().hear(header()).close().forget().hear(message(), CLOSE)) == [StreamClosed]
    assert kinds(under_tls().hear(header(), message()).forget().hear(message(), CLOSE)) == [StreamClosed]


def test_who_cannot_be_read_to_the_closing_tag_is_done_with() -> None:
    for talking in (proved().close(), proved()):
        assert kinds(talking.hear("</nonsense>")) == [CloseTransport, StreamClosed]
        assert talking.stream.state is State.CLOSED
        assert talking.forget().hear(message()).said == []


def test_features_are_told_what_still_comes_but_cannot_send() -> None:
    talking = proved().close().forget()
    talking.hear("<db:verify from='theirs.test' to='ours.test' id='1'>key</db:verify>", ASSERTED, "<unknown/>")
    assert talking.sent == b""
    assert talking.stream.state is State.CLOSING


def test_a_stream_is_closed_once() -> None:
    talking = proved().close()
    assert talking.forget().close().close(StreamError(StreamCondition.RESET)).said == []


def test_closing_before_any_header_sends_one() -> None:
    talking = talk().close(StreamError(StreamCondition.CONNECTION_TIMEOUT))
    assert talking.sent.startswith(b"<?xml version='1.0'?><stream:stream ")
    assert b"id='id-1'" in talking.sent
    assert talking.sent.endswith(b"</stream:error></stream:stream>")
    assert kinds(talking.forget().hear(header(), CLOSE)) == [StreamClosed]


# -- features that act on their own initiative -------------------------------------------------------------------------


def assert_further(talking: Talk) -> Talk:
    dialback = Dialback(KEYS, lambda domain: True, lambda pair: IN_CLEAR)
    further = OUTBOUND._replace(sender="more.ours.test")
    return talking.perform(lambda facts: dialback.assert_pair(facts, further))


def test_what_is_performed_in_a_negotiation_waits_for_its_end() -> None:
    talking = under_tls(Role.INITIATING).open().forget()
    assert assert_further(talking).said == []
    talking.hear(header(id_="1"), OFFERS_EXTERNAL)
    assert b"db:result" not in talking.sent
    talking.hear(SUCCESS, header(id_="2"))
    assert b"db:result" not in talking.sent
    talking.hear(FEATURES)
    assert b"<db:result from='more.ours.test'" in talking.sent


def test_an_answer_to_another_question_does_not_end_the_wait_for_tls() -> None:
    talking = talk(terms=IN_CLEAR).hear(header(), ASSERTED, STARTTLS).forget()
    assert talking.answer(PairChecked(pair=INBOUND, valid=True)).said == []
    talking.answer(secured()).hear(header())
    assert INBOUND not in talking.stream.facts.proofs
    assert b"db:result" not in talking.sent


def test_an_answer_waits_for_the_header_of_the_stream_that_it_is_sent_on() -> None:
    other = INBOUND._replace(sender="more.theirs.test")
    talking = under_tls().hear(header(), "<db:result from='more.theirs.test' to='ours.test'>key</db:result>", AUTH)
    assert talking.forget().answer(PairChecked(pair=other, valid=True)).said == []
    talking.hear(header())
    assert talking.sent.index(b"<stream:stream") < talking.sent.index(b"<db:result")
    assert talking.stream.facts.proves(other)


@pytest.mark.parametrize("bytewise", [False, True])
def test_what_follows_a_question_in_the_same_segment_waits_for_the_answer(bytewise: bool) -> None:
    managed = server_profile(StartTLS(), between_servers())
    talking = proved(profile=managed, terms=replace(IN_CLEAR, managed=True), bytewise=bytewise)
    talking.hear(f"<enable xmlns='{SM}'/>{message()}<r xmlns='{SM}'/>{message()}")
    assert kinds(talking.forget()) == []
    assert kinds(talking.answer(ManagementGranted())) == [HI, AcknowledgementRequested, HI]


def test_what_comes_while_we_wait_is_bounded() -> None:
    talking = talk().hear(header(), STARTTLS)
    for _ in range(100):
        talking.hear(" " * 1000)
    assert len(talking.stream._codec._buffer) < 20_000
    assert talking.answer(secured()).error == "policy-violation"


def test_a_mistake_of_ours_is_no_error_of_theirs() -> None:
    def fails(_: object) -> Step:
        raise RuntimeError("ours")

    with pytest.raises(RuntimeError):
        proved().perform(fails)


# -- budgets ---------------------------------------------------------------------------------------------------------


def test_stanzas_may_be_larger_than_what_negotiates() -> None:
    large = message(body="x" * 20_000)
    assert under_tls().hear(header(), large).error == "policy-violation"
    assert proved().hear(large).events == [large.encode()]
    start = b"<message from='a@theirs.test/r' to='b@ours.test'/>"
    assert proved(terms=replace(IN_CLEAR, stanza_bytes=20_000)).hear(large).events == [start]
    assert proved(budget=Budget(depth=1)).hear(message()).events == [start]


def test_a_profile_without_features_is_complete_with_its_header() -> None:
    talking = talk(profile=server_profile()).hear(header())
    assert kinds(talking) == [StreamOpened, NegotiationCompleted]
    assert talking.stream.facts.local == OURS
