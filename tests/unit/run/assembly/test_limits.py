"""Limits that only a room knows of reach it: those of the DNS, of components, and of what is remembered."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.testing import MemoryReactorClock

from gateway.config import load
from gateway.service import Gateway, build
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder

LIMITS = """
[limits]
component_buffer_bytes = 100000
queue_bytes = 2000000
dns_records = 5
dns_answers = 6
dns_questions = 7
[domains."bridge.test"]
serve = "component"
secret = "a secret of some length"
"""


def assembled(folder: Path) -> Gateway:
    return build(load(Folder(folder).complete(LIMITS)), MemoryReactorClock())


def test_the_resolver_asks_takes_and_keeps_no_more_than_the_limits_say(tmp_path: Path) -> None:
    bounds = assembled(tmp_path).federation.resolver._questions._bounds
    assert (bounds.records, bounds.kept, bounds.under_way) == (5, 6, 7)


def test_what_waits_for_a_component_is_bounded_as_the_limits_say(tmp_path: Path) -> None:
    gateway = assembled(tmp_path)
    assert gateway.served.components[Domain("bridge.test")].outflow._bounds.wait_above == 100_000
    assert gateway.routing.space.left == 2_000_000
