"""The queue of one account: in order for each sender, in shares, bounded, and never stuck."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.im.limits import AccountLimits
from gateway.im.work import MOST_IN_A_ROW, Backlog, Later, WorkQueue
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.trees import stanza

OWNER = "alice@example.com"
MOST_BYTES = 1_000_000


def to_owner(sender: str, size: int = 0) -> AddressedStanza:
    read = stanza(f"<message from='{sender}' to='{OWNER}'><body>{'x' * size}</body></message>")
    assert isinstance(read, AddressedStanza)
    return read


def queue_of(owner: str, backlog: Backlog, most: int, resumed: Callable[[], None]) -> WorkQueue:
    limits = AccountLimits(waiting=most, waiting_bytes=MOST_BYTES)
    return WorkQueue(Address.parse(owner), backlog, limits, resumed)


class Log:
    """Steps that note when they begin and end; those with a Deferred wait for it."""

    def __init__(self, most: int = 10) -> None:
        self.notes: list[str] = []
        self.backlog = Backlog(4, 2 * MOST_BYTES)
        self.queue = queue_of(OWNER, self.backlog, most, lambda: self.notes.append("resumed"))

    def add(
        self,
        name: str,
        wait: Deferred[None] | None = None,
        then: Callable[[], None] | None = None,
        *,
        sender: str = OWNER,
        size: int = 0,
    ) -> None:
        """Add a step for a stanza of this sender."""

        def step() -> Later:
            self.notes.append(name)
            if then is not None:
                then()
            return waiting() if wait is not None else None

        async def waiting() -> None:
            assert wait is not None
            await wait
            self.notes.append(f"{name} ends")

        self.queue.run(to_owner(sender, size), step, lambda failure: self.failed(name, failure))

    def failed(self, name: str, failure: Failure) -> None:
        self.notes.append(f"{name}: {failure.getErrorMessage()}")


def test_step_that_waits_for_nothing_is_done_at_once() -> None:
    log = Log()
    log.add("a")
    assert (log.notes, log.queue.is_idle) == (["a"], True)


def test_steps_behind_one_that_waits_keep_their_order() -> None:
    log, wait = Log(), Deferred[None]()
    log.add("a", wait)
    log.add("b")
    log.add("c")
    assert (log.notes, log.queue.is_idle, log.backlog.own.waiting) == (["a"], False, 2)
    wait.callback(None)
    assert log.notes == ["a", "a ends", "b", "c", "resumed"]
    assert (log.queue.is_idle, log.backlog.own.waiting) == (True, 0)


def test_step_that_was_answered_before_it_waits_is_done_at_once() -> None:
    log, wait = Log(), Deferred[None]()
    wait.callback(None)
    log.add("a", wait)
    assert (log.notes, log.queue.is_idle) == (["a", "a ends"], True)


def test_step_that_is_added_by_another_comes_after_it_and_after_those_that_wait() -> None:
    log, wait = Log(), Deferred[None]()
    log.add("a", wait)
    log.add("b", then=lambda: log.add("d"))
    log.add("c")
    wait.callback(None)
    assert log.notes == ["a", "a ends", "b", "c", "d", "resumed"]


def test_failure_is_told_and_the_next_step_taken() -> None:
    log, wait = Log(), Deferred[None]()

    def break_() -> None:
        raise ValueError("broken")

    log.add("a", then=break_)
    log.add("b", wait)
    log.add("c", then=break_)
    log.add("d")
    wait.errback(ValueError("no answer"))
    assert log.notes == ["a", "a: broken", "b", "b: no answer", "c", "c: broken", "d", "resumed"]
    assert log.queue.is_idle


def test_too_many_steps_are_refused_but_not_those_that_insist() -> None:
    log, wait = Log(most=1), Deferred[None]()
    for name in "abc":
        log.add(name, wait if name == "a" else None)
    assert log.notes == ["a", "c: resource-constraint: too much is waiting for this account"]
    log.queue.insist(lambda: log.notes.append("leave"), lambda failure: None)
    wait.callback(None)
    assert log.notes[2:] == ["a ends", "b", "leave", "resumed"]


def test_long_queue_needs_no_deep_stack() -> None:
    log, wait = Log(most=50_000), Deferred[None]()
    log.add("a", wait)
    done = Deferred[None]()
    done.callback(None)
    for number in range(10_000):
        log.add(str(number), done)
    wait.callback(None)
    assert log.queue.is_idle
    assert len(log.notes) == 20_003


def test_backlog_pauses_and_goes_on_when_half_is_done() -> None:
    log, waits = Log(), [Deferred[None]() for _ in range(6)]
    assert log.backlog.own.pause() is None
    for number, wait in enumerate(waits):
        log.add(str(number), wait)
    pause = log.backlog.own.pause()
    assert pause is not None
    assert log.backlog.own.pause() is None, "a sender of nothing that waits need not pause"
    going_on: list[None] = []
    pause.addCallback(going_on.append)
    for wait in waits[:2]:
        wait.callback(None)
    assert going_on == []
    waits[2].callback(None)
    assert going_on == [None]
    log.add("one more")
    assert log.backlog.own.pause() is None


def test_all_is_clear_when_nothing_waits() -> None:
    log = Log()
    log.add("a")
    assert log.backlog.cleared() is None


def test_all_is_clear_when_what_waited_is_done_and_what_came_of_it_in_another_queue() -> None:
    first, second = Log(), Log()
    second.queue = queue_of("bob@example.com", first.backlog, 10, lambda: None)
    waits: list[Deferred[None]] = [Deferred(), Deferred(), Deferred()]
    first.add("a", waits[0])
    first.add("b", then=lambda: second.add("c", waits[1]))
    cleared = first.backlog.cleared()
    assert cleared is not None
    cleared.addCallback(lambda _: first.notes.append("clear"))
    first.add("later", waits[2])
    waits[0].callback(None)
    assert (first.notes, second.notes) == (["a", "a ends", "b", "later", "resumed"], ["c"])
    waits[1].callback(None)
    assert "clear" not in first.notes
    waits[2].callback(None)
    assert first.notes[-3:] == ["later ends", "clear", "resumed"]
    assert (first.backlog.busy, first.backlog.own.waiting) == (set(), 0)


STRANGER, FRIEND = "mallory@flood.example", "bob@honest.example"


def flooded(log: Log, wait: Deferred[None], count: int = 3) -> None:
    """A stranger has the queue wait, with some more stanzas behind."""
    log.add("flood", wait, sender=STRANGER)
    for number in range(count):
        log.add(f"flood {number}", sender=STRANGER)


def test_the_owner_goes_before_strangers_and_they_take_turns_by_domain() -> None:
    log, wait = Log(), Deferred[None]()
    flooded(log, wait)
    log.add("friend 0", sender=FRIEND)
    log.add("friend 1", sender="carol@sub.honest.example")
    log.add("own 0")
    log.add("own 1", sender=f"{OWNER}/phone")
    wait.callback(None)
    strangers = ["flood 0", "friend 0", "flood 1", "friend 1", "flood 2"]
    assert log.notes == ["flood", "flood ends", "own 0", "own 1", *strangers, "resumed"]


def test_accounts_of_one_domain_have_a_turn_each() -> None:
    log, wait = Log(), Deferred[None]()
    flooded(log, wait, 0)
    for name in ("bob", "bob", "carol"):
        log.add(name, sender=f"{name}@example.com/phone")
    wait.callback(None)
    assert log.notes[2:-1] == ["bob", "carol", "bob"]


def test_strangers_have_their_turn_between_many_steps_of_the_owner() -> None:
    log, wait = Log(most=100), Deferred[None]()
    flooded(log, wait)
    for number in range(2 * MOST_IN_A_ROW):
        log.add(f"own {number}")
    wait.callback(None)
    places = [log.notes.index(f"flood {number}") - 2 for number in range(3)]
    assert places == [MOST_IN_A_ROW, 2 * MOST_IN_A_ROW + 1, 2 * MOST_IN_A_ROW + 2]


def test_strangers_do_not_overtake_what_must_not_be_refused() -> None:
    log, wait = Log(most=100), Deferred[None]()
    flooded(log, wait)
    for number in range(2 * MOST_IN_A_ROW):
        log.add(f"own {number}")
    log.queue.insist(lambda: log.notes.append("leave"), lambda failure: None)
    wait.callback(None)
    assert log.notes.index("leave") < log.notes.index("flood 0")


def refused(log: Log) -> list[str]:
    return [note.split(":")[0] for note in log.notes if "too much" in note]


def test_one_domain_makes_room_for_others_and_none_for_itself() -> None:
    log, wait = Log(most=4), Deferred[None]()
    flooded(log, wait, 6)
    assert refused(log) == ["flood 4", "flood 5"]
    log.add("friend 0", sender=FRIEND)
    log.add("friend 1", sender=FRIEND)
    log.add("friend 2", sender=FRIEND)
    log.add("another", sender="x@another.example")
    assert refused(log)[2:] == ["flood 3", "flood 2", "friend 2", "flood 1"]
    for number in range(4):
        log.add(f"own {number}")
    log.add("own 4")
    assert refused(log)[6:] == ["own 4"]
    wait.callback(None)
    taken = [note for note in log.notes if ":" not in note]
    assert taken == [
        "flood",
        "flood ends",
        *[f"own {n}" for n in range(4)],
        "flood 0",
        "friend 0",
        "another",
        "friend 1",
        "resumed",
    ]
    assert log.backlog.others.waiting == 0


def test_large_stanzas_are_bounded_by_their_bytes() -> None:
    log, wait = Log(), Deferred[None]()
    log.add("flood", wait, sender=STRANGER)
    for number in range(4):
        log.add(f"flood {number}", sender=STRANGER, size=MOST_BYTES // 3)
    assert refused(log) == ["flood 2", "flood 3"]
    for number in range(4):
        log.add(f"friend {number}", sender=FRIEND, size=10)
    assert refused(log) == ["flood 2", "flood 3"]
    for number in range(3):
        log.add(f"own {number}", size=MOST_BYTES // 3)
    assert refused(log)[2:] == ["own 2"]
    wait.callback(None)
    assert log.queue.is_idle


def test_senders_of_large_stanzas_pause_by_their_bytes() -> None:
    log, others, wait = Log(), [Log() for _ in range(6)], Deferred[None]()
    for each in others:
        each.backlog = log.backlog
        each.queue = queue_of(OWNER, log.backlog, 10, lambda: None)
        each.add("flood", wait, sender=STRANGER)
        each.add("flood 0", sender=STRANGER, size=MOST_BYTES // 3)
    pause = log.backlog.others.pause()
    assert pause is not None
    wait.callback(None)
    assert pause.called


def test_what_an_account_has_sent_is_done_before_a_flood_of_others() -> None:
    log, wait = Log(), Deferred[None]()
    flooded(log, wait, 1)
    log.add("bob", sender="bob@example.com")
    log.add("flood 1", sender=STRANGER)
    log.add("bob 1", sender="bob@example.com")
    log.add("flood 2", sender=STRANGER)
    for account in ("bob", "carol", "alice"):
        cleared = log.backlog.cleared(Address.parse(f"{account}@example.com"))
        assert cleared is not None
        cleared.addCallback(lambda _, account=account: log.notes.append(f"{account} clear"))
    wait.callback(None)
    places = [log.notes.index(f"{account} clear") for account in ("bob", "carol", "alice")]
    assert log.notes.index("bob 1") < places[0]
    assert places[1] < log.notes.index("bob 1")
    assert places[2] < log.notes.index("bob 1")


def test_all_is_clear_only_when_nothing_of_strangers_waits() -> None:
    log, wait = Log(), Deferred[None]()
    flooded(log, wait)
    log.add("friend", sender=FRIEND)
    cleared = log.backlog.cleared()
    assert cleared is not None
    cleared.addCallback(lambda _: log.notes.append("clear"))
    wait.callback(None)
    assert log.notes[-2:] == ["resumed", "clear"] or log.notes[-2:] == ["clear", "resumed"]
    assert log.notes.index("flood 2") < log.notes.index("clear")
