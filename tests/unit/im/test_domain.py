"""The domain as a whole: binding, order, waiting for the store, writing, and what happens when the store fails."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred, fail
from zope.interface.verify import verifyObject

from gateway.im.interfaces import IBoundClient
from gateway.im.limits import AccountLimits
from gateway.routing.interfaces import IRoute
from gateway.storage.errors import StoreUnavailable
from gateway.xmpp.errors import StanzaError
from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net/x"


def chat(number: int, to: str = ALICE) -> str:
    return f"<message from='{BOB}' to='{to}' type='chat'><body>{number}</body></message>"


def bodies(client: object) -> list[str]:
    return [body.text for each in client.got if (body := each.element.first(name="body"))]  # type: ignore[attr-defined]


def test_interfaces_are_provided() -> None:
    home = Home("alice")
    assert verifyObject(IRoute, home.domain)
    assert verifyObject(IBoundClient, home.client("alice"))


class TestBinding:
    def test_resource_gets_the_name_that_the_client_wishes(self) -> None:
        assert Home("alice").client("alice", "phone").jid == f"{ALICE}/phone"

    def test_resource_without_a_wish_gets_one_that_nobody_can_guess(self) -> None:
        assert Home("alice").client("alice").jid == f"{ALICE}/token-1"

    def test_name_that_is_taken_is_replaced_and_both_live(self) -> None:
        home = Home("alice")
        first, second = home.client("alice", "phone"), home.client("alice", "phone")
        third = home.client("alice", "token-2")
        assert [client.jid for client in (first, second, third)] == [
            f"{ALICE}/phone",
            f"{ALICE}/token-1",
            f"{ALICE}/token-2",
        ]
        assert home.client("alice", "token-3").jid == f"{ALICE}/token-3"
        assert home.client("alice", "token-4").jid == f"{ALICE}/token-4"
        assert home.client("alice").jid == f"{ALICE}/token-5"
        assert first.closed is None

    def test_name_is_prepared(self) -> None:
        assert Home("alice").client("alice", "caf\u0065\u0301").jid == f"{ALICE}/caf\u00e9"

    @pytest.mark.parametrize("name", ["\x07", "a" * 1024, "\ud800"])
    def test_name_that_is_none_is_refused(self, name: str) -> None:
        home = Home("alice")
        with pytest.raises(StanzaError, match="bad-request"):
            home.client("alice", name)

    def test_account_that_does_not_exist_after_all(self) -> None:
        home = Home()
        phone = home.client("alice", "phone")
        assert phone.closed is not None
        assert phone.closed.condition == "not-authorized"
        phone.say("<presence/>", f"<message to='{BOB}'/>")
        phone.leave()
        assert phone.heard() == home.world.heard() == []
        assert len(home.domain._accounts) == 0

    def test_name_is_free_when_its_client_is_gone(self) -> None:
        home = Home("alice")
        home.client("alice", "phone").leave()
        assert home.client("alice", "phone").jid == f"{ALICE}/phone"


class TestOrder:
    def test_stanzas_behind_one_that_waits_for_the_store_keep_their_order(self) -> None:
        home = Home("alice", slow=True)
        phone = home.client("alice", "phone")
        phone.say("<presence/>")
        home.store.answer_all()
        phone.heard()
        home.arrive(
            chat(1), f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>", chat(2), chat(3, f"{ALICE}/phone")
        )
        assert bodies(phone) == ["1"]
        home.store.answer_all()
        assert [each.name for each in phone.got] == ["message", "presence", "message", "message"]

    def test_offline_messages_come_before_new_ones(self) -> None:
        home = Home("alice", slow=True)
        home.arrive(chat(1), chat(2))
        phone = home.client("alice", "phone")
        phone.say("<presence/>")
        home.arrive(chat(3))
        home.store.answer_all()
        assert bodies(phone) == ["1", "2", "3"]

    def test_result_of_a_roster_set_comes_when_it_is_kept_and_what_follows_waits(self) -> None:
        home = Home("alice", slow=True)
        phone = home.client("alice", "phone")
        home.store.answer_all()
        phone.say(
            "<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@example.net'/></query></iq>",
            f"<message to='{BOB}'/>",
        )
        assert phone.heard() == home.world.heard() == []
        home.store.answer_all()
        assert phone.heard() == xml(f"<iq type='result' id='1' from='{ALICE}' to='{ALICE}/phone'/>")
        assert len(home.world.heard()) == 1

    def test_message_that_waits_is_not_given_to_a_client_that_has_gone_meanwhile(self) -> None:
        home = Home("alice", slow=True)
        phone = home.client("alice", "phone")
        phone.say("<presence/>")
        home.store.answer_all()
        phone.heard()
        home.arrive(f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>", chat(1))
        phone.leave()
        home.store.answer_all()
        assert phone.heard() == []
        assert len(home.kept("alice")) == 1

    def test_other_accounts_do_not_wait(self) -> None:
        home = Home("alice", "bob", slow=True)
        desk = home.client("bob", "desk")
        desk.say("<presence/>")
        home.store.answer_all()
        desk.heard()
        home.arrive(chat(1), chat(2, "bob@example.com"))
        assert bodies(desk) == ["2"]

    def test_client_that_says_something_and_goes_is_heard(self) -> None:
        home = Home("alice", slow=True)
        phone = home.client("alice", "phone")
        phone.say(f"<message to='{BOB}'/>")
        phone.leave()
        home.store.answer_all()
        assert len(home.world.heard()) == 1
        assert len(home.domain._accounts) == 0


class TestHotPath:
    @pytest.mark.parametrize("to", ["bob@example.com", "bob@example.com/desk"])
    def test_message_between_clients_waits_for_nothing_and_builds_no_tree(self, to: str) -> None:
        home = Home("alice", "bob", slow=True)
        phone, desk = home.client("alice", "phone"), home.client("bob", "desk")
        for client in (phone, desk):
            client.say("<presence/>")
            home.store.answer_all()
            client.heard()
        phone.say(f"<message to='{to}' type='chat' id='1'><body>Hi</body></message>")
        (received,) = desk.got
        written = f"<message from='{ALICE}/phone' to='{to}' type='chat' id='1'><body>Hi</body></message>"
        assert received.raw == written.encode()
        assert received._element is None
        assert not home.store.calls

    def test_what_comes_at_once_is_written_once_to_each_client(self) -> None:
        home = Home("alice", "bob")
        phone, desk = home.client("alice", "phone").online(), home.client("bob", "desk").online()
        phone.flushed.clear()
        desk.flushed.clear()
        phone.say(*["<message to='bob@example.com' type='chat'/>"] * 10)
        home.arrive(*[chat(1, f"{ALICE}/phone")] * 5)
        assert (desk.flushed, phone.flushed) == ([10], [5])


class TestFlush:
    def test_sender_waits_for_a_client_that_is_full(self) -> None:
        home = Home("alice")
        phone = home.client("alice", "phone").online()
        phone.room = Deferred()
        waits = [home.arrive(chat(1)), home.arrive(chat(2))]
        assert None not in waits
        going_on: list[object] = []
        for wait in waits:
            assert wait is not None
        waits[0].addCallback(going_on.append)  # type: ignore[union-attr]
        phone.room.callback(None)
        assert going_on == [None]

    def test_what_the_store_had_kept_waiting_is_written_when_it_answers(self) -> None:
        home = Home("alice", slow=True)
        phone = home.client("alice", "phone")
        phone.say("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
        phone.flushed.clear()
        home.store.answer_all()
        assert phone.flushed == [1]


class TestStore:
    def unavailable(self, home: Home, name: str) -> None:
        setattr(home.memory, name, lambda *args: fail(StoreUnavailable("the disk is full")))

    def test_message_that_cannot_be_kept_is_bounced(self) -> None:
        home = Home("alice")
        self.unavailable(home, "add_offline")
        home.arrive(chat(1))
        (bounce,) = home.world.got
        assert b"<error type='wait'><internal-server-error" in bounce.raw
        assert b"disk" not in bounce.raw

    def test_account_that_cannot_be_looked_up_is_not_taken_to_be_missing(self) -> None:
        home = Home("alice")
        self.unavailable(home, "blocked")
        home.arrive(chat(1), f"<presence from='{BOB}' to='{ALICE}' type='probe'/>")
        (bounce,) = home.world.got
        assert b"<error type='wait'><internal-server-error" in bounce.raw
        assert len(home.domain._accounts) == 0

    def test_roster_that_cannot_be_read_ends_the_stream(self) -> None:
        home = Home("alice")
        self.unavailable(home, "roster")
        phone = home.client("alice", "phone")
        assert phone.closed is not None
        assert phone.closed.condition == "internal-server-error"

    def test_account_that_is_found_at_the_second_look(self) -> None:
        home = Home("alice")
        blocked, answers = home.memory.blocked, [fail(StoreUnavailable("busy"))]
        home.memory.blocked = lambda account: answers.pop() if answers else blocked(account)  # type: ignore[method-assign]
        phone = home.client("alice", "phone")
        phone.say("<presence/>")
        assert phone.closed is None
        assert len(phone.heard()) == 1

    def test_request_that_cannot_be_kept_is_answered_and_nobody_is_told_of_it(self) -> None:
        home = Home("alice")
        phone = home.client("alice", "phone").online()
        self.unavailable(home, "update_relation")
        phone.say("<presence to='bob@example.net' type='subscribe' id='1'/>")
        home.arrive(f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>")
        assert [(each.type, each.id) for each in phone.got] == [("error", "1")]
        assert [each.type for each in home.world.got] == ["error"]

    def test_account_that_is_deleted_under_its_clients(self) -> None:
        home = Home("alice")
        phone = home.client("alice", "phone").online()
        home.memory.delete_account(ALICE)
        home.arrive(f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>")
        assert phone.closed is not None
        assert phone.closed.condition == "not-authorized"
        phone.leave()
        home.arrive(chat(1))
        assert b"service-unavailable" in home.world.got[-1].raw
        assert len(home.domain._accounts) == 0


def test_mistake_of_our_own_is_logged_and_the_account_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    home.memory.document = lambda *args: fail(ZeroDivisionError("ours"))  # type: ignore[method-assign]
    phone.say("<iq type='get' id='1'><vCard xmlns='vcard-temp'/></iq>", f"<message to='{BOB}'/>")
    (refusal,) = phone.got
    assert b"internal-server-error" in refusal.raw
    assert b"ours" not in refusal.raw
    assert len(home.world.heard()) == 1


def test_memory_is_what_is_bound_and_what_waits() -> None:
    home = Home("alice", slow=True)
    for number in range(100):
        home.arrive(chat(1, f"nobody{number}@example.com"))
    assert len(home.domain._accounts) == 100
    home.store.answer_all()
    assert len(home.domain._accounts) == 0
    assert len(home.world.got) == 100


def test_what_goes_nowhere_is_dropped_without_asking_the_store() -> None:
    home = Home("alice", slow=True)
    home.arrive(
        f"<presence from='{BOB}' to='{ALICE}'/>",
        f"<presence from='{BOB}' to='{ALICE}' type='unavailable'/>",
        f"<iq from='{BOB}' to='{ALICE}' type='result' id='1'/>",
        f"<message from='{BOB}' to='{ALICE}' type='error'/>",
    )
    assert not home.store.calls
    assert len(home.domain._accounts) == 0


def test_resources_are_bounded() -> None:
    home = Home("alice", limits=AccountLimits(resources=2))
    home.client("alice")
    home.client("alice").leave()
    home.client("alice")
    with pytest.raises(StanzaError, match="resource-constraint"):
        home.client("alice")
