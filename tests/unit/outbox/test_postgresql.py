"""The outbox on a PostgreSQL server: the contract, its one owner, and what happens when the server is away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute, gatherResults
from twisted.internet.task import Clock

from gateway.outbox.adoption import Adopted, adopt
from gateway.outbox.conditions import PAUSES, Condition
from gateway.outbox.durable import STEADY_SECONDS, DurableOutbox
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.opening import open_outbox
from gateway.outbox.postgresql.database import ServerOutboxDatabase
from gateway.outbox.postgresql.nodes import nodes_with_outbox, schema_of
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES, Seal
from gateway.storage.postgresql.driver import database_of
from tests.support.cutting import Cutting
from tests.support.postgresql import PASSWORD, SECRETIVE, Postgresql
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.outbox.contract import NOW, PAIR, OutboxContract, lines, now

SCHEMA = "outbox"


class TestOutboxOnServer(OutboxContract):
    seal: Seal | None = None

    @pytest.fixture(autouse=True)
    def database(self, postgresql: Postgresql) -> None:
        self.url = postgresql.emptied(SCHEMA)

    def open(self, limits: OutboxLimits) -> DurableOutbox:
        database = ServerOutboxDatabase(database_of(self.url), self.seal)
        outbox = DurableOutbox(database, run=execute, clock=Clock(), limits=limits)
        outbox.start()
        return outbox


class TestSealedOutboxOnServer(TestOutboxOnServer):
    seal = Seal(b"k" * KEY_BYTES)


class Scene:
    """Outboxes over one schema, in the caller's thread, and what they told."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.told: list[str] = []
        self.outboxes: list[DurableOutbox] = []

    def open(self, url: str = "", **more: Any) -> DurableOutbox:
        outbox = DurableOutbox(
            ServerOutboxDatabase(database_of(url or self.url), **more),
            run=execute,
            clock=self.clock,
            limits=OutboxLimits(),
            tell=lambda condition, detail: self.told.append(condition.word),
        )
        outbox.start()
        self.outboxes.append(outbox)
        return outbox

    def pause(self, seconds: float) -> None:
        self.clock.advance(seconds)


@pytest.fixture
def scene(postgresql: Postgresql) -> Iterator[Scene]:
    scene = Scene(postgresql.emptied(SCHEMA))
    yield scene
    for outbox in scene.outboxes:
        outbox.close()


def put(outbox: Any, *stanzas: bytes) -> Any:
    return now(outbox.put(PAIR, stanzas, accepted=NOW, expires=NOW + 100))


def kept(outbox: Any) -> list[bytes]:
    return [each.raw for each in now(outbox.page(PAIR, 0, 10_000))]


def test_kept_stanzas_are_there_for_the_next_process(scene: Scene) -> None:
    first = scene.open()
    put(first, *lines(1, 2))
    now(first.close())
    second = scene.open()
    assert second.stanzas == 2
    put(second, *lines(3))
    assert kept(second) == lines(1, 2, 3)


def test_a_second_gateway_is_refused_until_the_first_has_ended(scene: Scene) -> None:
    first = scene.open()
    put(first, *lines(1))
    second = scene.open()
    assert second.condition is Condition.TAKEN_OVER
    put(first, *lines(2))  # is not disturbed
    now(first.close())
    scene.pause(PAUSES[0])
    assert second.condition is Condition.READY
    assert kept(second) == lines(1, 2)


def test_former_owner_changes_nothing_after_a_takeover(scene: Scene) -> None:
    former = scene.open()
    put(former, *lines(1, 2))
    later = scene.open(takes_over=True)
    assert kept(later) == lines(1, 2)
    with pytest.raises(OutboxUnavailable) as caught:
        put(former, *lines(3))
    assert caught.value.condition is Condition.TAKEN_OVER
    former.settle(PAIR, 1 << 40).addErrback(lambda failure: None)
    put(later, *lines(4))
    assert kept(later) == lines(1, 2, 4)


def test_each_node_has_an_outbox_of_its_own_in_one_database(postgresql: Postgresql, scene: Scene) -> None:
    database = database_of(scene.url)
    with postgresql.admin() as admin:
        for node in ("a", "b-1"):
            admin.execute(f'DROP SCHEMA IF EXISTS "outbox_each_{node}" CASCADE')
    one, other = (scene.open(schema=schema_of("each", node)) for node in ("a", "b-1"))
    put(one, *lines(1))
    put(other, *lines(2))
    assert (kept(one), kept(other)) == (lines(1), lines(2))
    assert nodes_with_outbox(database, "each") == ["a", "b-1"]
    assert nodes_with_outbox(database, "eac") == []


def test_what_a_node_has_left_moves_to_another_and_it_goes_on_without_it(scene: Scene) -> None:
    asleep = scene.open(schema=schema_of("sleep", "a"))
    now(asleep.drop(PAIR.target))
    own = scene.open(schema=schema_of("sleep", "b"))
    now(own.drop(PAIR.target))
    put(asleep, *lines(1, 2))
    left = scene.open(schema=schema_of("sleep", "a"), takes_over=True)
    assert now(Deferred.fromCoroutine(adopt(left, own, moved=lambda pair: None))) == Adopted(2, True)
    now(left.close())
    assert kept(own) == lines(1, 2)
    with pytest.raises(OutboxUnavailable):
        put(asleep, *lines(3))
    scene.pause(PAUSES[0])
    put(asleep, *lines(4))
    assert kept(asleep) == lines(4), "the two that were taken over are not here any longer"


def test_transaction_of_an_earlier_epoch_is_refused_though_its_session_lives(
    postgresql: Postgresql, scene: Scene
) -> None:
    """As when the lock has been lost by other means, such as a failover of the server."""
    former = scene.open()
    put(former, *lines(1))
    with postgresql.admin(scene.url) as admin:
        admin.execute("UPDATE outbox_owner SET epoch = epoch + 1")
        told = "epoch 2 has begun, and this process is of epoch 1"
    with pytest.raises(OutboxUnavailable, match=told):
        put(former, *lines(2))
    assert former.condition is Condition.TAKEN_OVER


def test_restart_of_the_server_loses_nothing_and_repeats_nothing(postgresql: Postgresql, scene: Scene) -> None:
    sent = lines(*range(600))
    half = threading.Event()
    told: list[Condition] = []

    async def scenario() -> list[bytes]:
        outbox = open_outbox(scene.url, Path(), running_reactor(), tell=lambda condition, _: told.append(condition))
        for start in range(0, len(sent), 30):
            if start == 300:
                half.set()
            flushes = [[each] for each in sent[start : start + 30]]
            await gatherResults([outbox.put(PAIR, flush, accepted=NOW, expires=NOW + 100) for flush in flushes])
        found = [each.raw for each in await outbox.page(PAIR, 0, 10_000)]
        await outbox.close()
        return found

    found: list[list[bytes]] = []
    working = threading.Thread(target=lambda: found.append(run_in_reactor(scenario)))
    working.start()
    assert half.wait(60)
    postgresql.restart()
    working.join()
    assert found == [sent]
    assert told == [Condition.READY, Condition.CLOSED]


@pytest.mark.parametrize("after", [True, False], ids=["done", "undone"])
def test_commit_whose_answer_is_lost_is_done_once(postgresql: Postgresql, scene: Scene, after: bool) -> None:
    with Cutting(postgresql, SCHEMA) as proxy:
        outbox = scene.open(proxy.url)
        put(outbox, *lines(1))
        proxy.cut_next(after=after)
        put(outbox, *lines(2))
        assert proxy.cuts == 1
        assert kept(outbox) == lines(1, 2)
        assert outbox.stanzas == 2


def test_server_that_stays_away_is_told_once_and_comes_back_by_itself(postgresql: Postgresql, scene: Scene) -> None:
    outbox = scene.open(patience=0.2)
    numbers = put(outbox, *lines(1, 2))
    postgresql.stop()
    try:
        with pytest.raises(OutboxUnavailable) as caught:
            put(outbox, *lines(3))
        assert caught.value.condition is Condition.AWAY
        assert "cannot be reached" in str(caught.value)
        outbox.settle(PAIR, numbers[0]).addErrback(lambda failure: None)  # is done later
        for pause in PAUSES:
            scene.pause(pause)
        assert outbox.condition is Condition.AWAY
    finally:
        postgresql.start()
    scene.pause(PAUSES[-1])
    assert outbox.condition is Condition.READY
    assert kept(outbox) == lines(2)
    scene.pause(STEADY_SECONDS)
    assert scene.told == ["ready", "away", "ready"]


def test_server_that_is_away_at_the_start_is_waited_for(postgresql: Postgresql, scene: Scene) -> None:
    postgresql.stop()
    try:
        outbox = scene.open()
        assert outbox.condition is Condition.AWAY
    finally:
        postgresql.start()
    scene.pause(PAUSES[0])
    put(outbox, *lines(1))
    assert kept(outbox) == lines(1)


def test_password_is_in_no_message(postgresql: Postgresql, scene: Scene) -> None:
    wrong = PASSWORD[::-1]
    outbox = scene.open(postgresql.url_of(SCHEMA, user=SECRETIVE, password=wrong))
    assert outbox.condition is Condition.REFUSED
    with pytest.raises(OutboxUnavailable, match="password authentication failed") as caught:
        put(outbox, *lines(1))
    assert wrong not in f"{caught.value} {caught.value.detail}"


def test_another_key_is_told_and_nothing_is_overwritten(scene: Scene) -> None:
    first = scene.open(seal=Seal(b"1" * KEY_BYTES))
    put(first, *lines(1))
    now(first.close())
    second = scene.open(seal=Seal(b"2" * KEY_BYTES))
    assert second.condition is Condition.WRONG_KEY
    now(second.close())
    assert kept(scene.open(seal=Seal(b"1" * KEY_BYTES))) == lines(1)


def test_page_reads_no_more_than_it_returns(scene: Scene) -> None:
    """A backlog may be a gigabyte: the server sends what is asked for, and all of it."""
    outbox = scene.open()
    for number in range(200):
        put(outbox, b"%d" % number)
    read: list[int] = []
    session = outbox._queue._connection  # type: ignore[union-attr]
    execute_ = session.execute

    def counted(statement: str, *arguments: Any) -> Any:
        rows = execute_(statement, *arguments)
        read.append(rows.rowcount)
        return rows

    session.execute = counted  # type: ignore[method-assign]
    assert len(now(outbox.page(PAIR, 0, 10))) == 10
    assert max(read) < 100


Answer = Callable[..., Deferred[Any]]


class TestOutboxOnServerInItsThread(OutboxContract):
    @pytest.fixture(autouse=True)
    def database(self, postgresql: Postgresql) -> None:
        self.url = postgresql.emptied(SCHEMA)

    def open(self, limits: OutboxLimits) -> Any:
        async def scenario() -> Any:
            return open_outbox(self.url, Path(), running_reactor(), limits=limits)

        return run_in_reactor(scenario)

    def ask(self, method: Answer, *args: Any, **kwargs: Any) -> Any:
        async def scenario() -> Any:
            return await method(*args, **kwargs)

        return run_in_reactor(scenario)
