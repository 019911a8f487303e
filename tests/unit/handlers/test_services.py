"""The small services: ping, version, time, echo, each for what it answers and what it declines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version

import pytest

from gateway.handlers.echo import Echo
from gateway.handlers.ping import Ping
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.routing.interfaces import Answer, Declined, Handled, ILocalHandler
from tests.support.trees import stanza, swelling

IQ = "<iq type='{kind}' id='1' from='romeo@far.test/a' to='service.test'>{payload}</iq>"
MESSAGE = "<message {more} id='1' from='romeo@far.test/a' to='x@service.test/b'>{payload}</message>"
PRESENCE = "<presence {more} from='romeo@far.test/a' to='x@service.test'/>"
NOON = datetime(2026, 6, 1, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))

PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
TIME = "<time xmlns='urn:xmpp:time'/>"
SERVICES = [(Ping(), PING), (Version(), VERSION), (Time(lambda: NOON), TIME)]


def replies(answer: Answer) -> list[str]:
    """Return the stanzas that go out in consequence."""
    assert isinstance(answer, Handled)
    return [reply.raw.decode() for reply in answer.replies]


def get(payload: str, kind: str = "get") -> str:
    return IQ.format(kind=kind, payload=payload)


@pytest.mark.parametrize(
    ("service", "asked", "payload"),
    [
        (Ping(), PING, ""),
        (
            Version(),
            VERSION,
            "<query xmlns='jabber:iq:version'><name>xmpp-gateway</name>"
            f"<version>{version('xmpp-gateway')}</version></query>",
        ),
        (
            Time(lambda: NOON),
            TIME,
            "<time xmlns='urn:xmpp:time'><tzo>+05:30</tzo><utc>2026-06-01T06:30:00Z</utc></time>",
        ),
    ],
)
def test_a_request_is_answered_with_a_result(service: ILocalHandler, asked: str, payload: str) -> None:
    (reply,) = replies(service.handle(stanza(get(asked))))  # type: ignore[arg-type]
    expected = f"<iq type='result' from='service.test' to='romeo@far.test/a' id='1'>{payload}</iq>"
    assert reply == expected.replace("></iq>", "/>") if not payload else reply == expected


@pytest.mark.parametrize(("service", "asked"), SERVICES)
@pytest.mark.parametrize(
    "text",
    [
        get("<query xmlns='urn:example'/>"),
        get("ASKED", "set"),
        get("", "result"),
        MESSAGE.format(more="", payload="ASKED"),
        PRESENCE.format(more=""),
    ],
)
def test_everything_else_is_declined(service: ILocalHandler, asked: str, text: str) -> None:
    assert service.handle(stanza(text.replace("ASKED", asked))) == Declined()


def test_time_is_told_in_utc_where_nothing_else_is_said() -> None:
    (reply,) = replies(Time(lambda: datetime(2026, 6, 1, tzinfo=UTC)).handle(stanza(get(TIME))))
    assert "<tzo>+00:00</tzo>" in reply


# Echo.


def test_a_message_with_a_body_comes_back() -> None:
    (reply,) = replies(
        Echo().handle(stanza(MESSAGE.format(more="type='chat'", payload="<body>Hi</body><x xmlns='a'/>")))
    )
    assert "<body>Hi</body><x xmlns='a'/></message>" in reply
    assert "from='x@service.test/b'" in reply
    assert "to='romeo@far.test/a'" in reply


def test_what_comes_back_is_as_large_as_what_came() -> None:
    text = MESSAGE.format(more="", payload=f"<body>Hi</body>{swelling()}")
    (reply,) = replies(Echo().handle(stanza(text)))
    assert abs(len(reply) - len(text)) < 100


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (MESSAGE.format(more="", payload="<composing xmlns='http://jabber.org/protocol/chatstates'/>"), Handled()),
        (MESSAGE.format(more="type='error'", payload="<body>Hi</body>"), Declined()),
        (get("<query xmlns='urn:example'/>"), Declined()),
        (PRESENCE.format(more=""), Handled()),
        (PRESENCE.format(more="type='unavailable'"), Handled()),
        (PRESENCE.format(more="type='error'"), Handled()),
    ],
)
def test_nothing_else_comes_back(text: str, answer: Answer) -> None:
    given = Echo().handle(stanza(text))
    assert type(given) is type(answer)
    assert list(getattr(given, "replies", ())) == []


def test_who_subscribes_to_the_echo_is_approved_and_sees_it() -> None:
    addresses = "from='x@service.test' to='romeo@far.test'"
    asked = stanza(PRESENCE.format(more="type='subscribe'"))
    assert [sorted(reply.strip("<>/").split()[1:]) for reply in replies(Echo().handle(asked))] == [
        sorted(f"type='subscribed' {addresses}".split()),
        sorted(addresses.split()),
    ]


def test_who_probes_the_echo_sees_it() -> None:
    (reply,) = replies(Echo().handle(stanza(PRESENCE.format(more="type='probe'"))))
    assert "type=" not in reply
