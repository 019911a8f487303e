"""What every outbox promises: the same tests for each provider of IOutbox.

A provider's test class gives `open(limits)`, and `ask` where its methods are not to be called in the test's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from gateway.outbox.adoption import adopt
from gateway.outbox.chunks import STANZA_BYTES, STANZAS
from gateway.outbox.conditions import Condition
from gateway.outbox.errors import Bound, OutboxFull, OutboxUnavailable
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import AGES, DomainState, Failing, OutboxLimits, PairState
from gateway.outbox.retention import key_of
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaCondition
from gateway.xmpp.stanzas import AddressedStanza, restored

OURS, OTHERS, FAR, FARTHER = map(Domain, ("ours.example", "others.example", "far.example", "farther.example"))
PAIR = DomainPair(OURS, FAR)
OTHER_PAIR = DomainPair(OTHERS, FAR)
FARTHER_PAIR = DomainPair(OURS, FARTHER)
NOW, DAY = 1_800_000_000.0, 86_400.0


def now(deferred: Deferred[Any]) -> Any:
    """The result of a Deferred that has fired, or its exception."""
    outcome: list[Any] = []
    failures: list[Any] = []
    deferred.addCallbacks(outcome.append, failures.append)
    if failures:
        failures[0].raiseException()
    return outcome[0]


def lines(*numbers: int) -> list[bytes]:
    return [b"<message>%d</message>" % number for number in numbers]


class OutboxContract:
    """The tests; a subclass says how to get an outbox."""

    def open(self, limits: OutboxLimits) -> Any:
        raise NotImplementedError

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        return now(method(*args, **kwargs))

    @pytest.fixture
    def outbox(self) -> Iterator[Any]:
        outbox = self.open(OutboxLimits())
        yield outbox
        self.ask(outbox.close)

    def put(
        self,
        outbox: Any,
        stanzas: Sequence[bytes],
        pair: DomainPair = PAIR,
        accepted: float = NOW,
        expires: float = NOW + DAY,
    ) -> list[int]:
        return list(self.ask(outbox.put, pair, stanzas, accepted=accepted, expires=expires))

    def put_newest(self, outbox: Any, key: bytes, stanza: bytes, pair: DomainPair = PAIR) -> int:
        number: int = self.ask(outbox.put_newest, pair, key, stanza, accepted=NOW, expires=NOW + DAY)
        return number

    def kept(self, outbox: Any, pair: DomainPair = PAIR, after: int = 0, limit: int = 10_000) -> list[bytes]:
        return [each.raw for each in self.ask(outbox.page, pair, after, limit)]

    def test_provides_the_interface(self, outbox: Any) -> None:
        assert verifyObject(IOutbox, outbox)
        assert outbox.condition is Condition.READY

    def test_totals_are_known_at_any_moment(self, outbox: Any) -> None:
        assert (outbox.stanzas, outbox.size) == (0, 0)
        numbers = self.put(outbox, [b"x" * 10, b"y" * 20])
        self.put_newest(outbox, b"key", b"z" * 5, OTHER_PAIR)
        self.put_newest(outbox, b"key", b"z" * 7, OTHER_PAIR)
        assert (outbox.stanzas, outbox.size) == (3, 37 + 3 * STANZA_BYTES)
        self.ask(outbox.settle, PAIR, numbers[0])
        assert outbox.stanzas == 2
        self.ask(outbox.drop, FAR)
        assert (outbox.stanzas, outbox.size) == (0, 0)

    # Order and numbers

    def test_stanzas_come_back_in_order_as_they_were_put(self, outbox: Any) -> None:
        numbers = self.put(outbox, lines(1, 2)) + self.put(outbox, lines(3), accepted=NOW + 1, expires=NOW + 2)
        page = self.ask(outbox.page, PAIR)
        assert [each.raw for each in page] == lines(1, 2, 3)
        assert [each.number for each in page] == numbers == sorted(set(numbers))
        assert [(each.accepted, each.expires) for each in page] == [(NOW, NOW + DAY)] * 2 + [(NOW + 1, NOW + 2)]

    def test_nothing_is_put_with_nothing(self, outbox: Any) -> None:
        assert self.put(outbox, []) == []
        assert self.ask(outbox.pairs) == ()

    def test_more_than_one_row_holds_comes_back_in_order(self, outbox: Any) -> None:
        many = lines(*range(3 * STANZAS + 5))
        large = [b"<message>%b</message>" % (b"x" * 40_000) for _ in range(3)]
        numbers = self.put(outbox, many) + self.put(outbox, large)
        assert self.kept(outbox) == many + large
        assert numbers == sorted(set(numbers))

    def test_stanza_larger_than_a_row_may_be_is_kept(self, outbox: Any) -> None:
        large = b"<message>%b</message>" % (b"x" * 500_000)
        self.put(outbox, [*lines(1), large, *lines(2)])
        assert self.kept(outbox) == [*lines(1), large, *lines(2)]

    def test_pairs_are_apart(self, outbox: Any) -> None:
        self.put(outbox, lines(1), PAIR)
        self.put(outbox, lines(2), OTHER_PAIR)
        self.put(outbox, lines(3), FARTHER_PAIR)
        numbers = self.put(outbox, lines(4), PAIR)
        assert self.kept(outbox, PAIR) == lines(1, 4)
        self.ask(outbox.settle, PAIR, numbers[-1])
        assert [self.kept(outbox, pair) for pair in (PAIR, OTHER_PAIR, FARTHER_PAIR)] == [[], lines(2), lines(3)]

    def test_number_is_never_used_again(self, outbox: Any) -> None:
        before = self.put(outbox, lines(1, 2))
        self.ask(outbox.settle, PAIR, before[-1])
        assert self.put(outbox, lines(3))[0] > before[-1]
        self.ask(outbox.settle, PAIR, before[-1])
        assert self.kept(outbox) == lines(3)

    # Pages

    def test_pages_follow_each_other(self, outbox: Any) -> None:
        self.put(outbox, lines(*range(100)))
        self.put(outbox, lines(*range(100, 150)))
        found: list[bytes] = []
        after = 0
        while page := self.ask(outbox.page, PAIR, after, 7):
            assert len(page) <= 7
            found += (each.raw for each in page)
            after = page[-1].number
        assert found == lines(*range(150))

    def test_page_has_bounded_bytes_and_at_least_one_stanza(self) -> None:
        outbox = self.open(OutboxLimits(page_bytes=50))
        self.put(outbox, [b"x" * 30, b"y" * 30, b"z" * 80])
        assert self.kept(outbox) == [b"x" * 30]
        assert self.kept(outbox, after=self.ask(outbox.page, PAIR)[0].number) == [b"y" * 30]
        self.ask(outbox.settle, PAIR, self.ask(outbox.page, PAIR)[0].number + 1)
        assert self.kept(outbox) == [b"z" * 80]
        self.ask(outbox.close)

    def test_page_of_an_unknown_pair_is_empty(self, outbox: Any) -> None:
        assert self.kept(outbox, FARTHER_PAIR) == []

    # Ends

    @pytest.mark.parametrize("count", [1, 10, STANZAS - 1, STANZAS, STANZAS + 1, 2 * STANZAS, 150])
    def test_settling_forgets_everything_up_to_a_number_and_no_more(self, outbox: Any, count: int) -> None:
        numbers = self.put(outbox, lines(*range(100))) + self.put(outbox, lines(*range(100, 150)))
        self.ask(outbox.settle, PAIR, numbers[count - 1])
        assert self.kept(outbox) == lines(*range(count, 150))
        self.ask(outbox.settle, PAIR, numbers[count - 1])
        assert self.kept(outbox) == lines(*range(count, 150))
        assert sum(each.stanzas for each in self.ask(outbox.pairs)) == 150 - count

    def test_settling_what_is_not_there_does_nothing(self, outbox: Any) -> None:
        number = self.put(outbox, lines(1))[0]
        self.ask(outbox.settle, FARTHER_PAIR, number)
        self.ask(outbox.settle, OTHER_PAIR, 1 << 40)
        self.ask(outbox.settle, PAIR, 0)
        assert self.kept(outbox) == lines(1)

    def test_what_is_marked_as_read_can_still_be_sent_again(self, outbox: Any) -> None:
        numbers = self.put(outbox, lines(1, 2, 3))
        self.ask(outbox.mark_read, PAIR, numbers[1])
        self.ask(outbox.mark_read, FARTHER_PAIR, numbers[1])
        assert self.kept(outbox) == lines(1, 2, 3)

    def test_single_stanzas_are_removed_wherever_they_stand(self, outbox: Any) -> None:
        numbers = self.put(outbox, lines(*range(10))) + self.put(outbox, lines(10), FARTHER_PAIR)
        self.ask(outbox.remove, [numbers[0], numbers[5], numbers[10], 1 << 40])
        assert self.kept(outbox) == lines(1, 2, 3, 4, 6, 7, 8, 9)
        assert self.kept(outbox, FARTHER_PAIR) == []
        self.ask(outbox.remove, [numbers[5]])
        self.ask(outbox.settle, PAIR, numbers[6])
        assert self.kept(outbox) == lines(7, 8, 9)
        self.ask(outbox.remove, numbers)
        assert self.ask(outbox.pairs) == ()

    # The newest of a kind

    def test_newest_takes_the_place_of_the_one_before_behind_everything_else(self, outbox: Any) -> None:
        first = self.put_newest(outbox, b"key", b"<presence type='subscribe'/>")
        self.put(outbox, lines(1))
        self.put_newest(outbox, b"other", b"<presence type='subscribed'/>")
        second = self.put_newest(outbox, b"key", b"<presence type='unsubscribe'/>")
        self.put(outbox, lines(2))
        assert second > first
        assert self.kept(outbox) == [
            *lines(1),
            b"<presence type='subscribed'/>",
            b"<presence type='unsubscribe'/>",
            *lines(2),
        ]
        assert self.ask(outbox.pairs)[0].stanzas == 4

    def test_same_key_of_another_pair_is_another(self, outbox: Any) -> None:
        self.put_newest(outbox, b"key", b"<presence/>")
        self.put_newest(outbox, b"key", b"<presence id='2'/>", OTHER_PAIR)
        assert self.kept(outbox) == [b"<presence/>"]

    def test_newest_is_settled_like_others_and_can_be_put_again(self, outbox: Any) -> None:
        number = self.put_newest(outbox, b"key", b"<presence/>")
        self.ask(outbox.settle, PAIR, number)
        assert self.kept(outbox) == []
        again = self.put_newest(outbox, b"key", b"<presence id='2'/>")
        self.ask(outbox.remove, [number])
        assert self.kept(outbox) == [b"<presence id='2'/>"]
        assert again > number

    # What moves here from the outbox of a gateway that is gone

    @pytest.mark.parametrize(
        ("here", "arrive"),
        [
            pytest.param((), ["unsubscribe"], id="here-is-none"),
            pytest.param(("subscribe", NOW - 5), ["unsubscribe"], id="here-is-an-older-one"),
            pytest.param(("subscribe", NOW + 5), ["subscribe"], id="here-is-a-newer-one"),
        ],
    )
    def test_the_newest_subscription_of_both_outboxes_is_kept(self, outbox: Any, here: Any, arrive: list[str]) -> None:
        def subscription(kind: str) -> AddressedStanza:
            address = f"from='romeo@{PAIR.sender}' to='juliet@{PAIR.target}'"
            return restored("presence", f"<presence {address} type='{kind}'/>".encode())

        def keep(where: IOutbox, kind: str, accepted: float) -> None:
            presence = subscription(kind)
            times = {"accepted": accepted, "expires": accepted + DAY}
            self.ask(where.put_newest, PAIR, key_of(presence), presence.raw, **times)

        left = MemoryOutbox(limits=OutboxLimits())
        keep(left, "unsubscribe", NOW)
        now(left.put(PAIR, lines(1), accepted=NOW, expires=NOW + DAY))
        if here:
            keep(outbox, *here)
        self.ask(lambda: Deferred.fromCoroutine(adopt(left, outbox, moved=lambda pair: None)))
        assert left.stanzas == 0
        kept = [subscription(each).raw for each in arrive]
        assert sorted(self.kept(outbox)) == sorted([*kept, *lines(1)])
        keep(outbox, "subscribe", NOW + 9)
        assert self.kept(outbox) == [*lines(1), subscription("subscribe").raw]

    # Time

    def test_what_is_expired_is_read_oldest_first_and_kept_until_it_is_removed(self, outbox: Any) -> None:
        self.put(outbox, lines(1), expires=NOW + 10)
        self.put(outbox, lines(2, 3), OTHER_PAIR, expires=NOW + 5)
        self.put(outbox, lines(4), expires=NOW + 20)
        assert self.ask(outbox.expired, NOW + 4) == ()
        found = self.ask(outbox.expired, NOW + 10)
        assert [(each.pair, each.raw, each.accepted) for each in found] == [
            (pair, raw, NOW) for pair, raw in zip([PAIR, OTHER_PAIR, OTHER_PAIR], lines(1, 2, 3), strict=True)
        ]
        assert self.kept(outbox) == lines(1, 4)
        self.ask(outbox.remove, [each.number for each in found])
        assert self.ask(outbox.expired, NOW + 10) == ()
        assert self.ask(outbox.expired, NOW + 19) == ()
        assert [each.raw for each in self.ask(outbox.expired, NOW + 20)] == lines(4)

    def test_what_is_put_later_may_expire_earlier(self, outbox: Any) -> None:
        self.put(outbox, lines(1), expires=NOW + 100)
        assert self.ask(outbox.expired, NOW + 50) == ()
        self.put(outbox, lines(2), expires=NOW + 10)
        assert [each.raw for each in self.ask(outbox.expired, NOW + 50)] == lines(2)

    def test_expired_come_in_slices(self, outbox: Any) -> None:
        for number in range(30):
            self.put(outbox, lines(number), expires=NOW)
        found = self.ask(outbox.expired, NOW, 10)
        assert [each.raw for each in found] == lines(*range(10))

    # Bounds

    def test_total_is_bounded_and_what_is_refused_is_not_kept(self) -> None:
        outbox = self.open(OutboxLimits(bytes=1000))
        senders = [DomainPair(Domain(f"{number}.example"), FAR) for number in range(20)]
        for pair in senders[:10]:
            self.put(outbox, [b"x" * (100 - STANZA_BYTES)], pair)
        with pytest.raises(OutboxFull) as caught:
            self.put(outbox, [b"x"], senders[10])
        assert caught.value.bound is Bound.TOTAL
        error = caught.value.stanza_error()
        assert error.condition is StanzaCondition.RESOURCE_CONSTRAINT
        assert error.error_type == "wait"
        assert self.ask(outbox.state, FAR).stanzas == 10
        self.ask(outbox.close)

    def test_one_sender_leaves_room_for_the_next(self) -> None:
        outbox = self.open(OutboxLimits(bytes=10_000))
        size = 100
        for number in range(50):
            target = DomainPair(OURS, Domain(f"{number}.far.example"))
            self.put(outbox, [b"x" * (size - STANZA_BYTES)], target)
        with pytest.raises(OutboxFull) as caught:
            self.put(outbox, [b"x" * (size - STANZA_BYTES)])
        assert caught.value.bound is Bound.SENDER
        assert sum(each.bytes for each in self.ask(outbox.pairs)) == 5000
        self.put(outbox, [b"x" * (size - STANZA_BYTES)] * 20, OTHER_PAIR)
        self.ask(outbox.close)

    def test_pair_is_bounded_and_has_room_again_when_something_is_settled(self) -> None:
        outbox = self.open(OutboxLimits(pair_stanzas=3))
        numbers = self.put(outbox, lines(1, 2))
        with pytest.raises(OutboxFull) as caught:
            self.put(outbox, lines(3, 4))
        assert caught.value.bound is Bound.PAIR
        self.put(outbox, lines(3))
        self.put(outbox, lines(4), FARTHER_PAIR)
        self.ask(outbox.settle, PAIR, numbers[0])
        self.put(outbox, lines(5))
        assert self.kept(outbox) == lines(2, 3, 5)
        self.ask(outbox.close)

    def test_pairs_are_bounded_in_number(self) -> None:
        outbox = self.open(OutboxLimits(pairs=1))
        self.put(outbox, lines(1))
        with pytest.raises(OutboxFull) as caught:
            self.put(outbox, lines(2), OTHER_PAIR)
        assert caught.value.bound is Bound.PAIRS
        numbers = self.put(outbox, lines(2))
        self.ask(outbox.settle, PAIR, numbers[-1])
        self.put(outbox, lines(3), OTHER_PAIR)
        with pytest.raises(OutboxFull):
            self.put(outbox, lines(4))
        self.ask(outbox.close)

    def test_room_is_given_back_by_every_end(self) -> None:
        limits = OutboxLimits(bytes=100_000, pair_stanzas=50)
        outbox = self.open(limits)
        for round_ in range(8):
            numbers = self.put(outbox, [b"x" * 800] * 50)
            match round_ % 4:
                case 0:
                    self.ask(outbox.settle, PAIR, numbers[-1])
                case 1:
                    self.ask(outbox.remove, numbers)
                case 2:
                    assert self.ask(outbox.drop, FAR) == (50 if round_ == 2 else 100)  # with what was set aside
                case 3:
                    for number in numbers:
                        self.ask(outbox.set_aside, number, "why")
        self.put(outbox, [b"x" * 800] * 50)
        assert self.ask(outbox.state, FAR).stanzas == 50
        self.ask(outbox.close)

    # For people

    def test_domain_is_held_until_it_is_released(self, outbox: Any) -> None:
        self.ask(outbox.hold, FAR)
        self.put(outbox, lines(1))
        assert self.ask(outbox.state, FAR).is_held
        assert not self.ask(outbox.state, FARTHER).is_held
        assert self.ask(outbox.summary, NOW)[0].is_held
        self.ask(outbox.release, FAR)
        assert not self.ask(outbox.state, FAR).is_held
        assert not self.ask(outbox.summary, NOW)[0].is_held

    def test_domain_is_held_with_nothing_waiting(self, outbox: Any) -> None:
        assert self.ask(outbox.held) == frozenset()
        self.ask(outbox.hold, FAR)
        self.ask(outbox.hold, FARTHER)
        self.ask(outbox.release, FARTHER)
        self.ask(outbox.remember, FAR, None)
        assert self.ask(outbox.held) == {FAR}

    def test_oldest_is_that_of_what_still_waits(self, outbox: Any) -> None:
        assert self.ask(outbox.oldest) is None
        (number,) = self.put(outbox, lines(1))
        self.put(outbox, lines(2), OTHER_PAIR, accepted=NOW + 5)
        assert self.ask(outbox.oldest) == NOW
        self.ask(outbox.settle, PAIR, number)
        assert self.ask(outbox.oldest) == NOW + 5

    def test_dropping_forgets_what_waits_for_one_domain(self, outbox: Any) -> None:
        numbers = self.put(outbox, lines(1, 2, 3))
        self.put(outbox, lines(4), OTHER_PAIR)
        self.put(outbox, lines(5), FARTHER_PAIR)
        self.ask(outbox.settle, PAIR, numbers[0])
        self.ask(outbox.set_aside, numbers[1], "why")
        assert self.ask(outbox.drop, FAR) == 3
        assert self.ask(outbox.drop, FAR) == 0
        assert self.ask(outbox.pairs) == (
            PairState(pair=FARTHER_PAIR, stanzas=1, bytes=len(lines(5)[0]) + STANZA_BYTES, oldest=NOW),
        )
        assert self.ask(outbox.aside) == ()
        self.put(outbox, lines(6))
        assert self.kept(outbox) == lines(6)

    def test_stanza_set_aside_is_out_of_its_queue_and_can_be_looked_at(self, outbox: Any) -> None:
        numbers = self.put(outbox, lines(1, 2, 3))
        self.ask(outbox.set_aside, numbers[1], "far.example ended three streams over it")
        assert self.kept(outbox) == lines(1, 3)
        (aside,) = self.ask(outbox.aside)
        assert (aside.number, aside.pair, aside.raw, aside.accepted) == (numbers[1], PAIR, lines(2)[0], NOW)
        assert aside.reason == "far.example ended three streams over it"
        assert self.ask(outbox.aside, FAR) == (aside,)
        assert self.ask(outbox.aside, FARTHER) == ()
        assert self.ask(outbox.state, FAR).aside == 1

    def test_stanza_that_is_gone_cannot_be_set_aside(self, outbox: Any) -> None:
        number = self.put(outbox, lines(1, 2))[0]
        self.ask(outbox.settle, PAIR, number)
        for each in (number, number + 5, 1 << 40):
            self.ask(outbox.set_aside, each, "why")
        assert self.ask(outbox.aside) == ()
        assert self.kept(outbox) == lines(2)

    def test_number_set_aside_is_bounded(self) -> None:
        outbox = self.open(OutboxLimits(aside=2))
        for number in self.put(outbox, lines(1, 2, 3)):
            self.ask(outbox.set_aside, number, "why")
        assert [each.raw for each in self.ask(outbox.aside)] == lines(2, 3)
        self.ask(outbox.close)

    def test_what_another_outbox_had_set_aside_is_among_the_rest_until_it_is_taken(self) -> None:
        outbox = self.open(OutboxLimits(aside=2))
        (own,) = self.put(outbox, lines(1))
        self.ask(outbox.set_aside, own, "three streams ended")
        number = self.ask(outbox.keep_aside, PAIR, lines(2)[0], accepted=NOW - DAY, reason="elsewhere")
        assert self.ask(outbox.keep_aside, PAIR, lines(3)[0], accepted=NOW, reason="no room") is None
        found = self.ask(outbox.aside, FAR)
        assert [(each.number, each.raw, each.reason) for each in found] == [
            (own, lines(1)[0], "three streams ended"),
            (number, lines(2)[0], "elsewhere"),
        ]
        assert found[1].accepted == NOW - DAY
        assert outbox.stanzas == 0  # it waits for nobody
        self.ask(outbox.take_aside, number)
        (later,) = self.put(outbox, lines(4))
        assert later > number
        self.ask(outbox.set_aside, later, "again")
        assert [each.raw for each in self.ask(outbox.aside)] == lines(1, 4)
        self.ask(outbox.close)

    def test_what_a_filter_holds_back_waits_for_the_operator(self, outbox: Any) -> None:
        first, second = (self._withhold(outbox, text) for text in (b"<message>1</message>", b"<message>2</message>"))
        found = self.ask(outbox.withheld)
        assert [(each.number, each.pair, each.raw, each.rule) for each in found] == [
            (first, PAIR, b"<message>1</message>", "a rule"),
            (second, PAIR, b"<message>2</message>", "a rule"),
        ]
        assert self.ask(outbox.take_withheld, first).raw == b"<message>1</message>"
        assert self.ask(outbox.take_withheld, first) is None
        assert outbox.stanzas == 0  # it is no queue

    def test_what_is_held_back_expires(self, outbox: Any) -> None:
        self._withhold(outbox, b"<message/>")
        assert self.ask(outbox.expire_withheld, NOW + DAY - 1) == 0
        assert self.ask(outbox.expire_withheld, NOW + DAY) == 1
        assert self.ask(outbox.withheld) == ()

    def test_what_is_held_back_is_bounded_with_a_share_for_each_domain(self) -> None:
        outbox = self.open(OutboxLimits(withheld=3, withheld_each=2))
        pairs = [PAIR, PAIR, PAIR, OTHER_PAIR, OTHER_PAIR]
        kept = [self._withhold(outbox, b"<message/>", pair) is not None for pair in pairs]
        assert kept == [True, True, False, True, False]
        self.ask(outbox.close)

    def _withhold(self, outbox: Any, raw: bytes, pair: DomainPair = PAIR) -> Any:
        return self.ask(outbox.withhold, pair, raw, accepted=NOW, expires=NOW + DAY, rule="a rule")

    def test_summary_counts_by_domain_and_age_the_fullest_first(self, outbox: Any) -> None:
        self.put(outbox, lines(1, 2), accepted=NOW - 1000)
        numbers = self.put(outbox, lines(3, 4), OTHER_PAIR, accepted=NOW - 10)
        self.ask(outbox.remove, numbers[:1])
        self.put(outbox, lines(5), FARTHER_PAIR, accepted=NOW - 1e6)
        first, second = self.ask(outbox.summary, NOW)
        assert (first.domain, first.stanzas, first.oldest) == (FAR, 3, NOW - 1000)
        assert first.ages == (1, 0, 2, *[0] * (len(AGES) - 2))
        assert (second.domain, second.stanzas, second.oldest) == (FARTHER, 1, NOW - 1e6)
        assert second.ages == (*[0] * len(AGES), 1)

    # For routes

    def test_pairs_are_listed_with_the_oldest_first(self, outbox: Any) -> None:
        self.put(outbox, lines(1), PAIR, accepted=NOW)
        self.put(outbox, lines(2), FARTHER_PAIR, accepted=NOW - 5)
        self.put(outbox, lines(3, 4), OTHER_PAIR, accepted=NOW - 3)
        found = self.ask(outbox.pairs)
        assert [(each.pair, each.stanzas, each.oldest) for each in found] == [
            (FARTHER_PAIR, 1, NOW - 5),
            (OTHER_PAIR, 2, NOW - 3),
            (PAIR, 1, NOW),
        ]
        assert self.ask(outbox.state, FAR).pairs == found[1:]
        assert self.ask(outbox.state, FAR).oldest == NOW - 3

    def test_failures_are_remembered_until_the_domain_is_reached(self, outbox: Any) -> None:
        failing = Failing(failures=3, since=NOW, verdict="no-tls", reason="it offers no TLS", definite_since=NOW + 5)
        self.ask(outbox.remember, FAR, failing)
        assert self.ask(outbox.state, FAR) == DomainState(domain=FAR, failing=failing)
        self.ask(outbox.hold, FAR)
        self.ask(outbox.remember, FAR, None)
        assert self.ask(outbox.state, FAR) == DomainState(domain=FAR, is_held=True)
        self.ask(outbox.release, FAR)
        assert self.ask(outbox.state, FAR) == DomainState(domain=FAR)

    # The end

    def test_closed_outbox_takes_nothing(self) -> None:
        outbox = self.open(OutboxLimits())
        self.put(outbox, lines(1))
        self.ask(outbox.close)
        self.ask(outbox.close)
        for method, arguments in ((outbox.page, (PAIR,)), (outbox.pairs, ()), (outbox.settle, (PAIR, 1))):
            with pytest.raises(OutboxUnavailable) as caught:
                self.ask(method, *arguments)
            assert caught.value.condition is Condition.CLOSED
        with pytest.raises(OutboxUnavailable):
            self.put(outbox, lines(2))
