"""What a client sends to a domain that is away: it is acknowledged once it would survive a crash, and not before."""

from __future__ import annotations

from dataclasses import replace

from gateway.components.route import ComponentRoute
from gateway.outbox.backlog_owner import KeepTerms
from gateway.outbox.keeper import Keeper
from gateway.routing.outflow import Outflow, OutflowBounds, QueueSpace
from gateway.xmpp.addresses import Address, Domain
from tests.support.doors import House
from tests.unit.clients.test_stream_management import ASK, managed, message, resume
from tests.unit.federation.test_kept_route import SlowOutbox

AWAY = Domain("away.test")
TAKEN = "<a xmlns='urn:xmpp:sm:3' h='2'/>"  # presence and one message


def beside_somebody_who_is_away() -> tuple[House, SlowOutbox]:
    """A house, and a component that is not attached, for which an outbox keeps what comes."""
    house, outbox = House("alice"), SlowOutbox()
    keeper = Keeper(house.clock, lambda: 1_000_000.0)
    keeper.outbox = outbox
    route = ComponentRoute(
        AWAY,
        house.router,
        [Outflow(OutflowBounds(), QueueSpace(1 << 20), house.clock)],
        house.clock,
        house.notices.append,
        keeper=keeper,
        keep=lambda: KeepTerms(level="waiting"),
    )
    house.router.attach(AWAY, route)
    house.services = replace(house.services, unsafe=keeper.unsafe)
    return house, outbox


def test_it_is_acknowledged_after_the_commit() -> None:
    house, outbox = beside_somebody_who_is_away()
    alice, _ = managed(house)
    alice.say(message(1, f"nurse@{AWAY}"), ASK)
    assert "<a " not in alice.heard()
    outbox.under_way[0].callback(None)
    assert TAKEN in alice.heard()


def test_nor_is_it_acknowledged_before_that_when_the_stream_is_resumed() -> None:
    house, outbox = beside_somebody_who_is_away()
    alice, id_ = managed(house)
    alice.say(message(1, f"nurse@{AWAY}"))
    alice.cut()
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    assert "<resumed" not in again.heard()
    outbox.under_way[0].callback(None)
    assert again.told("<resumed xmlns='urn:xmpp:sm:3' [^>]*h='(.)'") == "2"


def test_a_resumption_whose_own_connection_breaks_meanwhile_leaves_another_try() -> None:
    house, outbox = beside_somebody_who_is_away()
    alice, id_ = managed(house)
    alice.say(message(1, f"nurse@{AWAY}"))
    alice.cut()
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    again.heard()
    again.cut()
    outbox.under_way[0].callback(None)
    assert again.heard() == ""
    assert house.resumable_clients.parked_at(Address.parse("alice@example.com/phone")) is not None
    third = house.connect().authenticate("alice").say(resume(id_, 1))
    assert third.told("<resumed xmlns='urn:xmpp:sm:3' [^>]*h='(.)'") == "2"


def test_it_is_acknowledged_once_more_when_it_was_asked_for_again_meanwhile() -> None:
    house, outbox = beside_somebody_who_is_away()
    alice, _ = managed(house)
    alice.say(message(1, f"nurse@{AWAY}"), ASK, "<presence/>", ASK)
    outbox.under_way[0].callback(None)
    heard = alice.heard()
    assert TAKEN in heard
    assert TAKEN.replace("'2'", "'3'") in heard
