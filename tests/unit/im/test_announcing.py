"""Announcements: who gets them, as which message, and how many at a time."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.im.announcing import BATCH, MOST_ANNOUNCED, Announcement, Announcer
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.testing import outcome
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import Stanza
from tests.unit.storage.contract import SHA_256

HERE, THERE = Domain("here.test"), Domain("there.test")


class Router:
    """Notes what is sent; it has no room while `room` is set."""

    def __init__(self) -> None:
        self.sent: list[Stanza] = []
        self.room: Deferred[None] | None = None
        self.flushed: list[int] = []  # how many had been sent

    def route(self, stanza: Stanza) -> None:
        self.sent.append(stanza)

    def flush(self) -> Deferred[None] | None:
        self.flushed.append(len(self.sent))
        return self.room


class Stage:
    """Accounts ann and bob in both domains; ann is online in the first one."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.router = Router()
        self.store = MemoryStore(token=lambda: "1", limits=StoreLimits())
        for domain in (HERE, THERE):
            self.add("ann", domain)
            self.add("bob", domain)
        self.announcer = Announcer(
            self.router,  # type: ignore[arg-type]
            self.clock,
            store=lambda: self.store,
            online=lambda domain: [f"ann@{HERE}"] if domain == HERE else [],
        )

    def add(self, name: str, domain: Domain = HERE) -> None:
        outcome(self.store.add_account(f"{name}@{domain}", [SHA_256]))

    def announce(self, announcement: Announcement, *domains: Domain) -> int:
        return outcome(Deferred.fromCoroutine(self.announcer.announce(announcement, domains or (HERE, THERE))))

    @property
    def sent(self) -> list[tuple[str, str, str | None, str | None]]:
        return [(str(each.from_), str(each.to), each.type, each.body) for each in self.router.sent]


def test_those_who_are_online_get_a_headline() -> None:
    stage = Stage()
    assert stage.announce(Announcement("Tea", "News")) == 1
    assert stage.sent == [(HERE, f"ann@{HERE}", "headline", "Tea")]
    assert b"<subject>News</subject>" in stage.router.sent[0].raw


def test_all_accounts_get_a_message_that_waits_for_them() -> None:
    stage = Stage()
    assert stage.announce(Announcement("Tea", to_all=True), THERE) == 2
    assert stage.sent == [(THERE, f"{name}@{THERE}", "normal", "Tea") for name in ("ann", "bob")]
    assert b"subject" not in stage.router.sent[0].raw


def many(stage: Stage) -> int:
    for number in range(3 * BATCH):
        stage.add(f"user{number:03}")
    return stage.announce(Announcement("Tea", to_all=True), HERE)


def test_a_batch_is_sent_in_each_turn() -> None:
    stage = Stage()
    assert many(stage) == 3 * BATCH + 2
    assert stage.router.flushed == [BATCH]
    stage.clock.advance(0)
    assert stage.router.flushed == [BATCH, 2 * BATCH, 3 * BATCH, 3 * BATCH + 2]


def test_a_full_store_is_waited_for() -> None:
    stage = Stage()
    stage.router.room = Deferred()
    many(stage)
    stage.clock.advance(60)
    assert len(stage.router.sent) == BATCH
    room, stage.router.room = stage.router.room, None
    room.callback(None)
    stage.clock.advance(0)
    assert len(stage.router.sent) == 3 * BATCH + 2


def test_announcements_do_not_mix() -> None:
    stage = Stage()
    many(stage)
    stage.announce(Announcement("Coffee", to_all=True), HERE)
    stage.clock.advance(0)
    bodies = [each.body for each in stage.router.sent]
    assert bodies == ["Tea"] * (3 * BATCH + 2) + ["Coffee"] * (3 * BATCH + 2)


def test_a_stop_ends_them() -> None:
    stage = Stage()
    many(stage)
    stage.announcer.stop()
    stage.clock.advance(1)
    assert len(stage.router.sent) == BATCH
    assert not stage.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("announcement", "problem"),
    [
        (Announcement("Tea"), ""),
        (Announcement("x" * MOST_ANNOUNCED), ""),
        (Announcement(" \n"), "nothing to announce"),
        (Announcement("x" * MOST_ANNOUNCED, "y"), "10000 characters"),
        (Announcement("a\x00b"), "U+0000 cannot be written in XML"),
        (Announcement("Tea", "\ud800"), "U+D800 cannot be written in XML"),
    ],
)
def test_what_cannot_be_announced(announcement: Any, problem: str) -> None:
    assert bool(announcement.problem) == bool(problem)
    assert problem in announcement.problem
