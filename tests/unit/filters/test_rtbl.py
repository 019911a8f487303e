"""Real-time block lists: subscribed to, loaded, kept current, and not believed when they grow suddenly."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from twisted.internet.task import Clock

from gateway.filters.lists import Digests, NamedList
from gateway.filters.rtbl import ANSWER_SECONDS, LONGEST_SLEEP, MOST_NEW_AN_HOUR, REFRESH_SECONDS, BlockListSubscription
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.namespaces import RESULT_SETS
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

SERVICE, NODE, OURS = Domain("rtbl.test"), "muc_bans_sha256", Address.parse("ours.test/lists")
PUBSUB = "http://jabber.org/protocol/pubsub"


class Service:
    """A publish-subscribe service that the test speaks for."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[Stanza] = []
        self.changes = 0
        self.named = NamedList("bad", "a test", never=["friend.test"])
        self._answers: list[Callable[[Stanza], None]] = []
        self.subscription = BlockListSubscription(
            self.named,
            service=SERVICE,
            node=NODE,
            ours=OURS,
            ask=self._ask,
            clock=self.clock,
            time_of_day=self.clock.seconds,
            random=Random(1),
            changed=self._changed,
        )
        self.subscription.start()
        self.clock.advance(0)

    def _ask(self, question: Stanza, answered: Callable[[Stanza], None]) -> None:
        self.asked.append(question)
        self._answers.append(answered)

    def _changed(self, _: BlockListSubscription) -> None:
        self.changes += 1

    @property
    def question(self) -> str:
        """The name of what is asked for now: subscribe, or items."""
        pubsub = self.asked[-1].element.first(PUBSUB, "pubsub")
        assert pubsub is not None
        wish = next(pubsub.elements(PUBSUB))
        assert wish.get("node") == NODE
        return wish.name

    @property
    def after(self) -> str:
        """Behind which entry the next page is asked for."""
        pubsub = self.asked[-1].element.first(PUBSUB, "pubsub")
        assert pubsub is not None
        page = pubsub.first(RESULT_SETS, "set")
        assert page is not None
        place = page.first(RESULT_SETS, "after")
        return place.text if place is not None else ""

    def answer(self, inner: str = "", type_: str = "result") -> None:
        self._answers[-1](stanza(f"<iq type='{type_}' id='1' from='{SERVICE}' to='{OURS}'>{inner}</iq>"))

    def load(self, *entries: str) -> None:
        """Answer both questions."""
        self.answer()
        self.answer_items(*entries)

    def answer_items(self, *entries: str, last: str = "") -> None:
        items = "".join(f"<item id='{entry}'/>" for entry in entries)
        place = f"<set xmlns='{RESULT_SETS}'><last>{last}</last></set>" if last else ""
        self.answer(f"<pubsub xmlns='{PUBSUB}'><items node='{NODE}'>{items}</items>{place}</pubsub>")

    def event(self, inner: str, sender: str = SERVICE, node: str = NODE) -> bool:
        event = f"<event xmlns='{PUBSUB}#event'>{inner.format(node=node)}</event>"
        return self.subscription.take(stanza(f"<message from='{sender}' to='{OURS}'>{event}</message>"))

    def entries(self) -> set[str]:
        return set(self.named.entries)


def test_it_subscribes_and_loads() -> None:
    service = Service()
    assert service.question == "subscribe"
    assert (service.asked[0].from_, service.asked[0].to) == (OURS, Address.parse(SERVICE))
    service.answer()
    assert service.question == "items"
    service.answer_items("evil.test", "eve@bad.test", "a" * 64)
    assert service.entries() == {"evil.test", "eve@bad.test", "a" * 64}
    assert (service.named.state, service.named.is_well, service.changes) == ("ready", True, 1)


def test_a_long_list_is_read_page_by_page() -> None:
    service = Service()
    service.named.entries.add("gone.test")
    service.answer()
    assert service.after == ""
    service.answer_items("a.test", "b.test", last="b.test")
    assert (service.question, service.after) == ("items", "b.test")
    assert service.entries() == {"gone.test"}  # until all pages are there
    service.answer_items("c.test", last="c.test")
    service.answer_items()
    assert service.entries() == {"a.test", "b.test", "c.test"}
    assert service.named.is_well


@pytest.mark.parametrize("pages", [["a.test"], []])
def test_a_service_that_repeats_a_page_is_not_asked_for_ever(pages: list[str]) -> None:
    service = Service()
    service.answer()
    for _ in range(2):
        service.answer_items(*pages, last="a.test")
    assert len(service.asked) <= 3
    assert service.entries() == set(pages)


def test_what_changes_while_pages_come_is_not_lost() -> None:
    service = Service()
    service.answer()
    service.answer_items("a.test", "b.test", last="b.test")
    service.event("<items node='{node}'><item id='new.test'/><retract id='a.test'/></items>")
    service.answer_items("c.test")
    assert service.entries() == {"b.test", "c.test", "new.test"}


def test_a_page_that_does_not_come_leaves_what_is_known() -> None:
    service = Service()
    service.load("known.test")
    service.clock.advance(REFRESH_SECONDS)
    service.answer()
    service.answer_items("a.test", last="a.test")
    service.clock.advance(ANSWER_SECONDS)
    assert service.entries() == {"known.test"}
    assert not service.named.is_well


def test_what_the_service_says_later_is_worked_in() -> None:
    service = Service()
    service.load("evil.test", "old.test")
    assert service.event("<items node='{node}'><item id='new.test'/><retract id='old.test'/></items>")
    assert service.entries() == {"evil.test", "new.test"}
    assert service.event("<purge node='{node}'/>")
    assert service.entries() == set()


@pytest.mark.parametrize("sender", ["evil.test", "eve@rtbl.test", "rtbl.test/x"])
def test_only_the_service_itself_is_listened_to(sender: str) -> None:
    service = Service()
    service.load("evil.test")
    assert not service.event("<purge node='{node}'/>", sender)
    assert service.entries() == {"evil.test"}


@pytest.mark.parametrize(
    "sent",
    [
        "<iq type='set' id='1' {}/>",
        "<message {}><body>hello</body></message>",
        "<message {}><event xmlns='http://jabber.org/protocol/pubsub#event'/></message>",
    ],
)
def test_what_is_no_update_is_for_others(sent: str) -> None:
    service = Service()
    service.load("evil.test")
    taken = service.subscription.take(stanza(sent.format("from='rtbl.test' to='ours.test/lists'")))
    assert taken is ("event" in sent)
    assert service.entries() == {"evil.test"}


def test_another_node_of_the_service_changes_nothing() -> None:
    service = Service()
    service.load("evil.test")
    assert service.event("<purge node='{node}'/>", node="another")
    assert service.entries() == {"evil.test"}


def test_what_is_no_entry_is_passed_over() -> None:
    service = Service()
    service.load("evil.test", "@", "", "x" * 2000)
    assert service.entries() == {"evil.test"}


def test_never_is_stronger_than_the_service() -> None:
    service = Service()
    service.load("friend.test", "evil.test")
    assert service.named.test_for(Domain("friend.test"), Digests()) is False
    assert service.named.test_for(Domain("evil.test"), Digests()) is True


def test_it_is_loaded_again_every_day() -> None:
    service = Service()
    service.load("evil.test", "gone.test")
    service.clock.advance(REFRESH_SECONDS)
    assert service.question == "subscribe"
    service.load("evil.test")
    assert service.entries() == {"evil.test"}


def test_it_is_loaded_again_when_the_service_was_out_of_reach() -> None:
    service = Service()
    service.load("evil.test")
    service.subscription.reached_again()
    service.clock.advance(30)
    assert len(service.asked) == 3


@pytest.mark.parametrize("failure", ["refused", "silent"])
def test_a_service_that_fails_is_asked_again_and_what_is_known_stays(failure: str) -> None:
    service = Service()
    service.load("evil.test")
    service.clock.advance(REFRESH_SECONDS)
    pauses = []
    for _ in range(12):
        if failure == "refused":
            error = "<error type='cancel'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
            service.answer(error, "error")
        else:
            service.clock.advance(ANSWER_SECONDS)
        assert not service.named.is_well
        assert ("forbidden" if failure == "refused" else "not answered") in service.named.state
        before, asked = service.clock.seconds(), len(service.asked)
        while len(service.asked) == asked:
            service.clock.advance(1)
        pauses.append(service.clock.seconds() - before)
    assert pauses[0] < 80
    assert LONGEST_SLEEP * 0.75 <= pauses[-1] <= LONGEST_SLEEP * 1.25 + 1
    assert service.entries() == {"evil.test"}


def test_an_answer_that_comes_too_late_counts_for_nothing() -> None:
    service = Service()
    service.clock.advance(ANSWER_SECONDS)
    service.answer()
    assert len(service.asked) == 1


def test_a_list_that_grows_suddenly_waits_for_the_operator() -> None:
    """The first load is taken as it is; later only a limited number an hour, until somebody has looked."""
    service = Service()
    service.load(*(f"first{number}.test" for number in range(3 * MOST_NEW_AN_HOUR)))
    assert len(service.entries()) == 3 * MOST_NEW_AN_HOUR
    items = "".join(f"<item id='flood{number}.test'/>" for number in range(MOST_NEW_AN_HOUR + 5))
    service.event(f"<items node='{{node}}'>{items}</items>")
    assert len(service.entries()) == 4 * MOST_NEW_AN_HOUR
    assert "5 new entries wait" in service.named.state
    assert not service.named.is_well
    service.subscription.accept()
    assert len(service.entries()) == 4 * MOST_NEW_AN_HOUR + 5
    assert service.named.is_well


def test_what_waits_is_bounded_in_all_and_accepted_as_far_as_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    most = MOST_NEW_AN_HOUR + 10
    monkeypatch.setattr("gateway.filters.rtbl.MOST_ENTRIES", most)
    service = Service()
    service.load("first.test")
    service.named.entries.remove("first.test")
    for update in range(5):
        items = "".join(f"<item id='flood{update}-{number}.test'/>" for number in range(most))
        service.event(f"<items node='{{node}}'>{items}</items>")
    assert len(service.subscription.waiting) == most
    service.subscription.accept()
    assert len(service.entries()) == most


def test_updates_while_pages_come_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.filters.rtbl.MOST_ENTRIES", 10)
    service = Service()
    service.answer()
    for update in range(5):
        items = "".join(f"<item id='flood{update}-{number}.test'/>" for number in range(10))
        service.event(f"<items node='{{node}}'>{items}</items>")
    assert len(service.subscription._pages) == 10


def test_an_entry_that_is_told_again_and_taken_waits_no_more() -> None:
    service = Service()
    service.load("first.test")
    items = "".join(f"<item id='flood{number}.test'/>" for number in range(MOST_NEW_AN_HOUR))
    service.event(f"<items node='{{node}}'>{items}</items>")
    service.event("<items node='{node}'><item id='late.test'/></items>")
    service.clock.advance(3600)
    service.event("<items node='{node}'><item id='late.test'/></items>")
    assert "late.test" in service.entries()
    assert not service.subscription.waiting
    assert (service.named.state, service.named.is_well) == ("ready", True)


def test_after_an_hour_new_entries_are_taken_again() -> None:
    service = Service()
    service.load("first.test")
    items = "".join(f"<item id='flood{number}.test'/>" for number in range(MOST_NEW_AN_HOUR))
    service.event(f"<items node='{{node}}'>{items}</items>")
    service.event("<items node='{node}'><item id='late.test'/></items>")
    assert "late.test" not in service.entries()
    service.clock.advance(3600)
    service.event("<items node='{node}'><item id='later.test'/></items>")
    assert "later.test" in service.entries()
