"""The outbox of an assembled gateway: what operators see when its file fails, and that it recovers by itself."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.testing import MemoryReactorClock

from gateway.config import load
from gateway.notices.notices import Level, Remark
from gateway.outbox import opening
from gateway.outbox.conditions import PAUSES, Condition
from gateway.outbox.database import KIND
from gateway.run.assembly import outbox as assembly
from gateway.service import Gateway, build
from gateway.storage.files import open_file
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.configuration import Folder
from tests.support.http import ask
from tests.support.trees import stanza
from tests.unit.federation.test_kept_route import Stream
from tests.unit.outbox.contract import now

PAIR = DomainPair(Domain("im.test"), Domain("far.test"))
DAY = 86_400.0


class Running:
    """A gateway of which only the outbox is started, in the thread of the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, domains: str = "") -> None:
        self.path = folder / "state" / "outbox.db"
        self.reactor = MemoryReactorClock()
        monkeypatch.setattr(assembly, "open_outbox", partial(opening.open_outbox, in_thread=False))
        file = Folder(folder).complete(f'[log]\nlevel = "error"\n{domains}')
        self.gateway: Gateway = build(load(file), self.reactor)
        monkeypatch.setattr(self.gateway.federation.streams, "open", lambda pair: Deferred())
        self.gateway.shared.settings.gateway.state.mkdir(mode=0o700, exist_ok=True)
        self.lines: list[str] = []
        self.gateway.shared.board.subscribe(lambda notice: self.lines.append(notice.sentence), assembly.OutboxChanged)

    def start(self) -> Running:
        self.gateway.kept.startService()
        return self

    def stop(self) -> None:
        self.gateway.kept.stopService()
        outbox = self.gateway.keeper.outbox
        if outbox is not None:
            now(outbox.close())

    def put(self, text: bytes = b"<message/>", pair: DomainPair = PAIR) -> None:
        outbox, when = self.gateway.keeper.outbox, self.gateway.shared.time_of_day()
        assert outbox is not None
        outbox.put(pair, [text], accepted=when, expires=when + DAY).addErrback(lambda failure: None)

    def wait(self) -> None:
        """Let the longest pause go by."""
        self.reactor.pump([1.0] * int(max(PAUSES) + 1))

    def seen(self) -> tuple[str, bool, bool]:
        """The condition in the metrics; whether /healthz warns of it; whether the status names it as a trouble."""
        page = self.gateway.operating.page().wrappedFactory
        metrics = ask(page, "/metrics")[2].decode().splitlines()
        (figure,) = [line for line in metrics if line.startswith("xmpp_gateway_outbox_ready{")]
        word = figure.split('"')[1]
        assert figure.endswith("1.0" if word == "ready" else "0.0")
        health = json.loads(ask(page, "/healthz")[2])
        troubles = [each for each in self.gateway.status.status().troubles if each.kind == "outbox"]
        sentence = next(each.sentence for each in Condition if each.word == word)
        return word, any(sentence in each for each in health["warnings"]), sentence in [e.sentence for e in troubles]


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    running = Running(tmp_path, monkeypatch)
    yield running
    running.stop()


def newer(path: Path) -> None:
    connection = open_file(path, KIND)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def damaged(path: Path) -> None:
    connection = open_file(path, KIND)
    connection.execute("CREATE TABLE filler AS SELECT zeroblob(60000) AS zero")
    connection.close()
    content = bytearray(path.read_bytes())
    content[4096 : 3 * 4096] = b"\xff" * 2 * 4096
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("word", "spoil"),
    [
        ("newer-schema", newer),
        ("corrupt", damaged),
        ("foreign", lambda path: path.write_bytes(b"This is a letter, not a database. " * 100)),
    ],
)
def test_file_that_cannot_be_opened_is_seen_and_over_when_it_is_moved_away(
    running: Running, word: str, spoil: Callable[[Path], None]
) -> None:
    spoil(running.path)
    running.start()
    assert running.seen() == (word, True, True)
    running.wait()
    assert len(running.lines) == 1, "told once"
    for each in running.path.parent.glob("outbox.db*"):
        each.unlink()
    running.wait()
    assert running.seen() == ("ready", False, False)
    running.put()
    assert running.gateway.keeper.waiting(PAIR) == 1
    assert len(running.lines) == 2


class Failing:
    """Stands in for the connection, whose commits fail like the system's."""

    def __init__(self, real: Any, code: int) -> None:
        self.real = real
        self.error = sqlite3.OperationalError("the system said so")
        self.error.sqlite_errorcode = code

    def execute(self, statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            raise self.error
        return self.real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("disk-full", sqlite3.SQLITE_FULL),
        ("read-only", sqlite3.SQLITE_READONLY),
        ("io-error", sqlite3.SQLITE_IOERR_FSYNC),
        ("locked", sqlite3.SQLITE_BUSY),
    ],
)
def test_file_that_cannot_be_written_is_seen_and_over_when_the_cause_is(running: Running, word: str, code: int) -> None:
    running.start()
    running.put()
    outbox: Any = running.gateway.keeper.outbox
    queue = outbox._queue
    real, queue._connection = queue._connection, Failing(queue._connection, code)
    running.put()
    assert running.seen() == (word, True, True)
    assert running.gateway.keeper.waiting(PAIR) == 1, "it was refused, and is not counted"
    if outbox._queue is queue:
        queue._connection = real
    running.wait()
    assert running.seen() == ("ready", False, False)
    running.put()
    assert running.gateway.keeper.waiting(PAIR) == 2
    assert len(running.lines) == 2


def test_domain_that_was_held_with_nothing_waiting_is_held_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Running(tmp_path, monkeypatch).start()
    outbox = first.gateway.keeper.outbox
    assert outbox is not None
    now(outbox.hold(PAIR.target))
    first.stop()
    second = Running(tmp_path, monkeypatch).start()
    assert second.gateway.keeper.held == {PAIR.target}
    assert second.gateway.status.status().outbox.held == [PAIR.target]  # type: ignore[union-attr]
    second.stop()


def test_age_of_the_oldest_stanza_is_seen(running: Running) -> None:
    running.start()
    running.put()
    running.reactor.pump([1.0] * 20)
    figures = running.gateway.status.figures().outbox
    assert figures is not None
    assert figures.stanzas == 1
    assert 15 <= figures.oldest_seconds <= 20
    outbox = running.gateway.keeper.outbox
    assert outbox is not None
    now(outbox.drop(PAIR.target))
    running.reactor.pump([1.0] * 6)
    figures = running.gateway.status.figures().outbox
    assert figures is not None
    assert figures.oldest_seconds == 0


def test_outbox_that_keeps_nothing_seldom_wakes_the_process(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    running.start()
    running.reactor.advance(1)
    asked: list[float] = []
    later = running.reactor.callLater

    def call_later(seconds: float, *rest: Any) -> Any:
        asked.append(seconds)
        return later(seconds, *rest)

    monkeypatch.setattr(running.reactor, "callLater", call_later)
    running.reactor.pump([0.25] * 4 * 60)
    assert 10 <= len(asked) <= 20, "a minute has some 12 readings of the oldest stanza's age"


def test_stanzas_expire_one_slice_after_the_other(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(running.gateway.routing.router), "bounce", lambda *_: None)
    running.start()
    outbox = running.gateway.keeper.outbox
    assert outbox is not None
    when = running.gateway.shared.time_of_day()
    ended = assembly.SLICE + 1
    stanza = b"<message xmlns='jabber:server' from='a@im.test' to='b@far.test'><body>Hi</body></message>"
    outbox.put(PAIR, [stanza] * ended, accepted=when, expires=when + 1).addErrback(lambda failure: None)
    running.reactor.pump([1.0] * 61)
    assert running.gateway.keeper.counts["expired"] == ended


def test_nothing_expires_before_its_senders_are_back_after_a_start(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    router = running.gateway.routing.router
    monkeypatch.setattr(type(router), "bounce", lambda *_: done.append("bounced"))
    running.start()
    outbox = running.gateway.keeper.outbox
    assert outbox is not None
    monkeypatch.setattr(outbox, "remove", lambda numbers: (done.append("removed"), succeed(None))[1])
    when = running.gateway.shared.time_of_day()
    stanza = b"<message xmlns='jabber:server' from='a@im.test' to='b@far.test'><body>Hi</body></message>"
    outbox.put(PAIR, [stanza], accepted=when - 2, expires=when - 1).addErrback(lambda failure: None)
    running.reactor.pump([1.0] * 29)
    assert done == []
    running.reactor.pump([0.25] * 8)
    assert done[:2] == ["bounced", "removed"], "its sender is told first"


def test_what_expired_before_a_start_is_delivered_if_its_server_is_reached_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its sender might not be back, and would never learn of its end."""
    earlier = Running(tmp_path, monkeypatch).start()
    outbox, when = earlier.gateway.keeper.outbox, earlier.gateway.shared.time_of_day()
    assert outbox is not None
    kept = b"<message id='0' from='a@im.test' to='b@far.test'><body>Hi</body></message>"
    outbox.put(PAIR, [kept], accepted=when - 2, expires=when - 1).addErrback(lambda failure: None)
    earlier.stop()
    running, log = Running(tmp_path, monkeypatch), list[str]()
    monkeypatch.setattr(running.gateway.federation.streams, "open", lambda pair: succeed(Stream(log)))
    running.start()
    running.reactor.pump([0.25] * 8)
    assert log == ["write 0", "ping"]
    assert running.gateway.keeper.counts["expired"] == 0
    running.stop()


# -- a file that cannot be opened at the start -------------------------------------------------------------------------


class Late(Running):
    """A gateway whose file, with a stanza of an earlier process, cannot be opened at the start."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        earlier = Running(folder, monkeypatch).start()
        earlier.put(b"<message id='0' from='a@im.test' to='b@far.test'><body>Hi</body></message>")
        earlier.stop()
        super().__init__(folder, monkeypatch)
        self.log: list[str] = []
        self.remarks: list[Remark] = []
        self.gateway.shared.board.subscribe(self.remarks.append, Remark)
        self.stream = Stream(self.log)
        self.stream.is_managed = True
        monkeypatch.setattr(self.gateway.federation.streams, "open", lambda pair: succeed(self.stream))
        self.away = self.path.with_suffix(".away")
        self.path.rename(self.away)
        self.path.mkdir(mode=0o700)
        self.start()

    def send(self, number: int) -> None:
        router = self.gateway.routing.router
        router.route(stanza(f"<message id='{number}' from='a@im.test' to='b@far.test'><body>Hi</body></message>"))
        router.flush()

    def come_back(self) -> None:
        """Let the file be there again."""
        self.path.rmdir()
        self.away.rename(self.path)

    def passes(self, seconds: int) -> None:
        self.reactor.pump([1.0] * seconds)


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    late = Late(tmp_path, monkeypatch)
    yield late
    late.stop()


def test_nothing_is_sent_before_the_file_is_open_and_what_it_has_goes_first(late: Late) -> None:
    late.send(1)
    unsafe = late.gateway.keeper.unsafe()
    late.passes(2)
    assert late.log == []
    assert unsafe is not None
    assert not unsafe.called
    late.come_back()
    late.passes(2)
    assert late.log == ["write 0 1"]
    assert unsafe.called


def test_after_ten_seconds_it_goes_on_without_the_file_and_says_so_once(late: Late) -> None:
    late.send(1)
    late.passes(11)
    assert late.log == ["write 1"]
    assert [each.weight for each in late.remarks if "could not be opened" in each.text] == [Level.ERROR]
    late.come_back()
    late.passes(60)
    assert late.log == ["write 1", "write 0"]
    told = [each for each in late.remarks if "1 stanza of an earlier run may arrive after newer ones" in each.text]
    assert [each.weight for each in told] == [Level.WARN]


def test_gateway_that_stops_while_it_waits_for_the_file_keeps_nobody_waiting(late: Late) -> None:
    late.send(1)
    unsafe = late.gateway.keeper.unsafe()
    assert unsafe is not None
    late.gateway.kept.stopService()
    assert unsafe.called


ONCE = """
[cluster]
url = ["nats://127.0.0.1:4222"]
node = "a"
secret = "the same on all nodes of this cluster"
[domains."once.test"]
serve = "echo"
run = "once"
"""


# -- what another node has left ----------------------------------------------------------------------------------------


def test_what_another_node_has_left_for_a_domain_without_a_route_is_sent(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[DomainPair] = []

    def open_stream(pair: DomainPair) -> Deferred[Any]:
        opened.append(pair)
        return Deferred()

    running.start()
    monkeypatch.setattr(running.gateway.federation.streams, "open", open_stream)
    running.put()
    running.gateway.kept.learn(DomainPair(Domain("far.test"), Domain("im.test")))
    assert opened == [], "streams are not opened to our own domains"
    running.gateway.kept.learn(PAIR)
    assert opened == [PAIR]


def test_what_another_node_has_left_for_a_service_that_runs_at_one_node_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(tmp_path, monkeypatch, ONCE).start()
    pair = DomainPair(Domain("far.test"), Domain("once.test"))
    running.put(b"<message from='a@far.test' to='once.test'/>", pair)
    route = running.gateway.served.placed_route(pair.target)
    assert route is not None
    assert route.kept_by_pair == {}
    running.gateway.kept.learn(pair)
    assert route.kept_by_pair == {pair: 1}
    running.stop()
