"""The border of an assembled gateway: what its rules learn from rosters, files and block lists, also after a reload."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from gateway.config import load
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.filters.lists import list_file
from gateway.filters.notices import FilterDecided
from gateway.filters.rtbl import ANSWER_SECONDS, BlockListSubscription, Stage
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.run.assembly.border import FIRST_ASKED
from gateway.service import Gateway, build
from gateway.storage.memory import MemoryStore
from gateway.storage.records import Relation, RosterItem, StoreLimits
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder
from tests.support.trees import stanza

RULE = '[[filter]]\nname = "{name}"\nwhen = {{ direction = "in", {when} }}\nthen = "drop"\n'
LISTED = RULE.format(name="listed", when='listed = "bad"')
SERVICE = Domain("lists.test")
BAD = '[lists.bad]\nrtbl = "lists.test"\nnode = "{node}"\n'
WORSE = '[lists.worse]\nrtbl = "lists.test"\nnode = "worse"\n'


def given_up(opening: Deferred[Any]) -> None:
    opening.errback(DeliveryFailed("it takes too long"))


class Running:
    """A gateway that is assembled and not started, but for its filters."""

    def __init__(self, folder: Folder, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.reactor = MemoryReactorClock()
        self.gateway: Gateway = build(load(folder.complete(text)), self.reactor)
        monkeypatch.setattr(self.gateway.federation.streams, "open", lambda pair: Deferred(given_up))
        self.filters = self.gateway.filters
        self.dropped: list[str] = []
        self.gateway.shared.board.subscribe(self._decided, FilterDecided)

    def _decided(self, notice: Any) -> None:
        self.dropped.append(f"{notice.rule}: {notice.stanza.from_}")

    def comes(self, sender: str, to: str = "juliet@im.test") -> list[str]:
        """Have a message come from outside; return which rule drops it."""
        self.dropped.clear()
        self.gateway.routing.router.route(stanza(f"<message from='{sender}' to='{to}'><body>Hi</body></message>"))
        self.gateway.routing.router.flush()
        return self.dropped

    def start(self) -> None:
        self.filters.startService()

    def attempt(self, verdict: Verdict) -> None:
        """Tell of a stream to the service of the lists."""
        log = StreamLog(
            self.gateway.shared.board.publish, self.reactor.seconds, 1, Direction.OUT, local="im.test", remote=SERVICE
        )
        log.end(verdict, "")

    def reload(self, text: str) -> Any:
        """Return the outcome, once every stream has had its turn."""
        self.folder.complete(text)
        outcomes: list[Any] = []
        self.gateway.reload().addBoth(outcomes.append)
        self.reactor.advance(0)
        (outcome,) = outcomes
        return outcome.raiseException() if isinstance(outcome, Failure) else outcome

    def subscription(self, name: str) -> BlockListSubscription:
        return self.filters._block_lists[name]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.certify("im.test")
    (tmp_path / "state").mkdir(mode=0o700)
    return folder


def saved(folder: Folder, content: bytes, name: str = "bad") -> Path:
    """Write what an earlier process has saved of a block list."""
    file = list_file(folder.path / "state", name)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_bytes(content)
    return file


def test_who_is_in_the_roster_is_no_stranger(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    running = Running(folder, RULE.format(name="strangers", when="stranger = true"), monkeypatch)
    assert running.comes("romeo@far.test/1") == ["strangers: romeo@far.test/1"], "the accounts are not open yet"
    store = running.gateway.people.store = MemoryStore(token=lambda: "token", limits=StoreLimits())
    store.add_account("juliet@im.test", [])
    item = RosterItem(contact="romeo@far.test")
    store.update_relation("juliet@im.test", "romeo@far.test", lambda _: Relation(item=item))
    assert running.comes("romeo@far.test/1") == []
    assert running.comes("tybalt@far.test/1") == ["strangers: tybalt@far.test/1"]
    assert running.comes("romeo@far.test/1", "nobody@im.test") == ["strangers: romeo@far.test/1"]


def test_what_was_saved_is_used_until_the_service_answers(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(saved(folder, b"evil@far.test\n"), (1000, 1000))
    running = Running(folder, LISTED + BAD.format(node="one"), monkeypatch)
    assert running.comes("evil@far.test/1") == ["listed: evil@far.test/1"]
    named = running.subscription("bad").named
    assert (named.is_well, named.since) == (True, 1000)
    assert "1 entries saved earlier" in named.state


def test_what_was_saved_and_cannot_be_read_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(folder, b"\xff\xff\n")
    running = Running(folder, LISTED + BAD.format(node="one"), monkeypatch)
    assert running.comes("evil@far.test/1") == []
    named = running.subscription("bad").named
    assert not named.is_well
    assert "cannot be read" in named.state


def test_every_list_of_a_service_is_asked_for_again_when_it_was_out_of_reach(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Running(folder, LISTED + BAD.format(node="one") + WORSE, monkeypatch)
    running.start()
    running.reactor.advance(FIRST_ASKED)
    both = [running.subscription(name) for name in ("bad", "worse")]
    for each in both:
        monkeypatch.setattr(each, "_random", SimpleNamespace(uniform=max))
    assert {each.stage for each in both} == {Stage.SUBSCRIBING}
    running.reactor.advance(ANSWER_SECONDS)
    assert {each.stage for each in both} == {Stage.ASLEEP}
    running.attempt(Verdict.ESTABLISHED)
    running.reactor.advance(30)
    assert {each.stage for each in both} == {Stage.ASLEEP}, "nothing has failed since they were asked"
    running.attempt(Verdict.UNREACHABLE)
    running.attempt(Verdict.ESTABLISHED)
    running.reactor.advance(30)
    assert {each.stage for each in both} == {Stage.SUBSCRIBING}
    running.filters.stopService()
    assert not running.filters._saving.running


def test_a_reload_ends_the_lists_that_are_gone_and_asks_for_new_ones(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = LISTED + BAD.format(node="one") + WORSE
    running = Running(folder, one, monkeypatch)
    running.start()
    gone, stays = running.subscription("bad"), running.subscription("worse")
    running.reload(LISTED + BAD.format(node="another") + WORSE)
    new = running.subscription("bad")
    assert (new.node, running.subscription("worse")) == ("another", stays)
    running.reactor.advance(FIRST_ASKED)
    assert (gone.stage, new.stage, stays.stage) == (Stage.ASLEEP, Stage.SUBSCRIBING, Stage.SUBSCRIBING)


def test_acquaintances_that_cannot_be_read_are_strangers(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Running(folder, RULE.format(name="strangers", when="stranger = true"), monkeypatch)
    running.filters._file.write_bytes(b"\xff\xff")
    running.start()
    assert running.comes("romeo@far.test/1") == ["strangers: romeo@far.test/1"]
