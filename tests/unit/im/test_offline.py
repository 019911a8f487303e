"""Messages that wait (XEP-0160, XEP-0203)."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail

from gateway.im.kept import KeptMessage
from gateway.im.offline import is_worth_keeping
from gateway.storage.errors import StoreUnavailable
from tests.support.accounts import Client, Home, xml
from tests.support.trees import stanza

ALICE, BOB = "alice@example.com", "bob@example.net/x"
STATE = "<active xmlns='http://jabber.org/protocol/chatstates'/>"
STAMP = "<delay xmlns='urn:xmpp:delay' from='example.com' stamp='2001-09-09T01:46:40.000Z'/>"


def message(body: str, type_: str = "chat", to: str = ALICE) -> str:
    return f"<message from='{BOB}' to='{to}' type='{type_}'>{body}</message>"


def hint(name: str) -> str:
    return f"<{name} xmlns='urn:xmpp:hints'/>"


@pytest.mark.parametrize(
    ("type_", "content", "kept"),
    [
        ("chat", "<body>Hi</body>", True),
        ("chat", "<body>Hi</body>" + STATE, True),
        ("chat", STATE, False),
        ("chat", STATE + "<thread>t</thread>" + hint("no-copy"), False),
        ("chat", "", False),
        ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", True),
        ("chat", "<body>Hi</body>" + hint("no-store"), False),
        ("chat", "<body>Hi</body>" + hint("no-permanent-store"), False),
        ("chat", STATE + hint("store"), True),
        ("normal", "", True),
        ("normal", "<x xmlns='jabber:x:conference' jid='room@example.net'/>", True),
        ("normal", "<body>Hi</body>" + hint("no-store"), False),
    ],
)
def test_what_is_worth_keeping(type_: str, content: str, kept: bool) -> None:
    assert is_worth_keeping(stanza(message(content, type_))) is kept


def test_messages_are_delivered_once_in_order_with_the_time_at_which_they_came() -> None:
    home = Home("alice")
    home.arrive(message("<body>1</body>"), message("<body>2</body>", "normal"))
    home.clock.advance(3600)
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    assert phone.heard()[1:] == xml(message(f"<body>1</body>{STAMP}"), message(f"<body>2</body>{STAMP}", "normal"))
    assert home.kept("alice") == []
    desk = home.client("alice", "desk")
    desk.say("<presence/>")
    assert len(desk.heard()) == 2


def test_bytes_of_a_message_are_kept_as_they_came() -> None:
    home = Home("alice")
    home.arrive(message("<body  a = '&#x41;'>\u20ac&lt;</body >"))
    (kept,) = home.kept("alice")
    assert "<body  a = '&#x41;'>\u20ac&lt;</body ><delay".encode() in kept


def test_more_than_one_batch() -> None:
    home = Home("alice")
    for number in range(250):
        home.arrive(message(f"<body>{number}</body>"))
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    bodies = [each.element.first(name="body") for each in phone.got if each.name == "message"]
    assert [body.text for body in bodies if body] == [str(number) for number in range(250)]


def test_delivery_is_no_faster_than_the_client_reads() -> None:
    home = Home("alice")
    for number in range(250):
        home.arrive(message(f"<body>{number}</body>"))
    phone = home.client("alice", "phone")
    phone.room = Deferred()
    phone.say("<presence/>")
    assert len(phone.heard()) == 101
    assert len(home.kept("alice")) == 150
    room, phone.room = phone.room, None
    home.arrive(message("<body>new</body>"))
    room.callback(None)
    heard = phone.heard()
    assert len(heard) == 151
    assert "new" in heard[-1]


def test_client_that_goes_while_it_is_served_leaves_the_rest() -> None:
    home = Home("alice")
    for number in range(250):
        home.arrive(message(f"<body>{number}</body>"))
    phone = home.client("alice", "phone")
    phone.room = Deferred()
    phone.say("<presence/>")
    phone.leave()
    phone.room.callback(None)
    assert len(home.kept("alice")) == 150
    assert len(home.domain._accounts) == 0


def test_what_is_not_kept_is_bounced_to_those_who_see_the_accounts_presence() -> None:
    home = Home("alice")
    home.befriend("alice", "bob@example.net", "from")
    home.arrive(message(STATE).replace("type=", "id='m' type="))
    (bounce,) = home.world.got
    assert (bounce.type, bounce.id) == ("error", "m")
    assert home.kept("alice") == []


class TestKept:
    """What a client was given stays in the store until it has it."""

    def test_it_is_forgotten_when_the_client_has_it(self) -> None:
        home, phone, messages = self.handed_out("<body>1</body>", "<body>2</body>")
        home.domain.taken(phone.resource, messages[:1])
        assert home.kept("alice") == [messages[1].raw]

    def test_only_one_client_is_given_it(self) -> None:
        home, phone, messages = self.handed_out("<body>1</body>")
        desk = home.client("alice", "desk").online()
        phone.say("<presence><priority>-1</priority></presence>", "<presence/>")
        assert not [each for each in desk.got + phone.got if each.name == "message"]
        assert home.kept("alice") == [messages[0].raw]

    def test_what_a_client_leaves_is_given_to_the_next_and_what_it_has_is_not(self) -> None:
        home, phone, messages = self.handed_out("<body>1</body>", "<body>2</body>")
        home.domain.taken(phone.resource, messages[:1])
        phone.leave(*messages[1:])
        desk = home.client("alice", "desk")
        desk.say("<presence/>")
        assert [each.raw for each in desk.got if each.name == "message"] == [messages[1].raw]
        assert home.kept("alice") == []

    def test_a_store_that_fails_costs_no_message(self) -> None:
        home, phone, messages = self.handed_out("<body>1</body>")
        home.memory.remove_offline = lambda *_: fail(StoreUnavailable("the disk is full"))
        home.domain.taken(phone.resource, messages)
        phone.leave()
        desk = home.client("alice", "desk")
        desk.say("<presence/>")
        assert messages[0].raw in [each.raw for each in desk.got]

    def test_a_client_that_goes_while_the_store_is_read_is_given_nothing(self) -> None:
        home = Home("alice", slow=True)
        home.memory.add_offline("alice@example.com", message("<body>1</body>").encode())
        phone = home.client("alice", "phone")
        phone.say("<presence/>")
        while home.store.calls[0][0] != "offline":
            home.store.answer()
        phone.leave()
        home.store.answer_all()
        assert [each for each in phone.got if each.name == "message"] == []
        assert len(home.kept("alice")) == 1

    @staticmethod
    def handed_out(*bodies: str) -> tuple[Home, Client, list[KeptMessage]]:
        """A client that was given messages and has not said that it has them."""
        home = Home("alice")
        home.arrive(*map(message, bodies))
        phone = home.client("alice", "phone", takes=False).online("")
        phone.say("<presence/>")
        given = [each for each in phone.got if isinstance(each, KeptMessage)]
        phone.heard()
        assert [each.raw for each in given] == home.kept("alice")
        return home, phone, given


class TestUnread:
    """What a client that is gone had been given and never took."""

    def test_chat_to_its_address_goes_to_the_others_or_waits(self) -> None:
        home = Home("alice")
        phone = home.client("alice", "phone").online()
        home.arrive(message("<body>1</body>", to=f"{ALICE}/phone"))
        phone.leave(*phone.got)
        assert home.kept("alice") == [message(f"<body>1</body>{STAMP}", to=f"{ALICE}/phone").encode()]

    def test_it_goes_to_who_is_there(self) -> None:
        home = Home("alice")
        phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
        phone.heard()
        home.arrive(message("<body>1</body>", to=f"{ALICE}/phone"))
        phone.leave(*phone.got)
        assert xml(message("<body>1</body>", to=f"{ALICE}/phone"))[0] in desk.heard()
        assert home.kept("alice") == []

    def test_what_the_others_got_too_is_not_given_to_them_again(self) -> None:
        home = Home("alice")
        phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
        phone.heard()
        home.arrive(message("<body>1</body>"))
        desk.heard()
        phone.leave(*phone.got)
        assert [each.name for each in desk.got] == ["presence"]
        assert home.kept("alice") == []

    def test_what_had_waited_waits_again_with_its_first_time(self) -> None:
        home = Home("alice")
        home.arrive(message("<body>1</body>"))
        phone = home.client("alice", "phone", takes=False).online("")
        phone.say("<presence/>")
        home.clock.advance(60)
        phone.leave(*phone.got)
        assert home.kept("alice") == [message(f"<body>1</body>{STAMP}").encode()]

    def test_what_had_waited_goes_to_who_is_there_now(self) -> None:
        home = Home("alice")
        home.arrive(message("<body>1</body>"))
        phone, desk = home.client("alice", "phone", takes=False).online(""), home.client("alice", "desk")
        phone.say("<presence/>")
        desk.say("<presence/>")
        desk.heard()
        phone.leave(*phone.got)
        assert desk.heard()[1:] == xml(message(f"<body>1</body>{STAMP}"))
        assert home.kept("alice") == []

    def test_requests_are_bounced_and_what_informs_ends(self) -> None:
        home = Home("alice")
        home.befriend("alice", "bob@example.net")
        phone = home.client("alice", "phone").online()
        home.world.heard()
        home.arrive(
            f"<iq from='{BOB}' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>",
            f"<iq from='{BOB}' to='{ALICE}/phone' type='result' id='2'/>",
            f"<presence from='{BOB}' to='{ALICE}'/>",
        )
        phone.leave(*phone.got)
        assert [(each.name, each.type) for each in home.world.got] == [("presence", "unavailable"), ("iq", "error")]

    def test_copies_and_pushes_end(self) -> None:
        home = Home("alice")
        phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
        phone.say("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
        phone.heard()
        desk.heard()
        desk.say(f"<message to='{BOB}' type='chat'><body>Hi</body></message>")
        desk.say("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@example.net'/></query></iq>")
        assert [each.name for each in phone.got] == ["message", "iq"]
        desk.heard()
        phone.leave(*phone.got)
        assert [each.name for each in desk.got] == ["presence"]
        assert home.kept("alice") == []
