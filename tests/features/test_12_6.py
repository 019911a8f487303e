"""12-6: subscriptions move by the state tables of RFC 6121 appendix A, outbound and inbound, between two domains too.

The tables themselves, row by row, are in tests/unit/im/test_subscriptions.py. Here whole domains with their stores and
routers act, and what each end has in its store is compared with what the printed tables say.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.im.relations import state_of
from gateway.im.subscriptions import SubscriptionState
from gateway.xmpp.addresses import Domain
from tests.support.accounts import Client, Home
from tests.unit.im.test_subscriptions import ACTIONS, SIDES, End, consistent, exchange

ALICE, BOB = "alice@example.com", "bob@example.net"


class TwoDomains:
    """example.com with Alice, example.net with Bob, and the line between them."""

    def __init__(self) -> None:
        self.homes = Home("alice"), Home("bob", here=Domain("example.net"))
        self.clients: list[Client] = [self.homes[0].client("alice", "x"), self.homes[1].client("bob", "y")]

    def say(self, side: int, action: str) -> None:
        contact = (BOB, ALICE)[side]
        if action == "remove":
            item = f"<item jid='{contact}' subscription='remove'/>"
            self.clients[side].say(f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{item}</query></iq>")
        else:
            self.clients[side].say(f"<presence to='{contact}' type='{action}'/>")

    def carry(self) -> None:
        """Carry what is under way until nothing is."""
        for _ in range(100):
            if not any(home.world.got for home in self.homes):
                return
            for home, other in (self.homes, self.homes[::-1]):
                got, home.world.got = home.world.got, []
                for stanza in got:
                    other.router.route(stanza)
                other.router.flush()
        raise AssertionError("the two domains never stop talking")

    def states(self) -> tuple[SubscriptionState, SubscriptionState]:
        return state_of(self.homes[0].relation("alice", BOB)), state_of(self.homes[1].relation("bob", ALICE))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(SIDES, ACTIONS), max_size=15))
def test_two_domains_follow_the_tables_and_agree(moves: list[tuple[int, str]]) -> None:
    domains, ends = TwoDomains(), (End(BOB), End(ALICE))
    for side, action in moves:
        domains.say(side, action)
        domains.carry()
        if action != "remove" or ends[side].relation.item is not None:  # there is no item to remove: an error
            ends[side].act(action)
        exchange(ends)
        assert domains.states() == (ends[0].state, ends[1].state)
        assert consistent(*ends)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(SIDES, ACTIONS), max_size=15), st.booleans())
def test_what_clients_were_pushed_is_what_the_store_has(moves: list[tuple[int, str]], available: bool) -> None:
    domains = TwoDomains()
    for client in domains.clients:
        client.online("<presence/>" if available else "")
    for side, action in moves:
        domains.say(side, action)
        domains.carry()
    for client, home, local, contact in zip(
        domains.clients, domains.homes, ("alice", "bob"), (BOB, ALICE), strict=True
    ):
        last = None
        for stanza in client.got:
            if stanza.name == "iq" and stanza.type == "set":
                query = stanza.element.first()
                last = query.first() if query else None
        item = home.relation(local, contact).item
        pushed = last.get("subscription") if last is not None and last.get("subscription") != "remove" else None
        assert pushed == (str(item.subscription) if item else None)


@pytest.mark.parametrize("local", [True, False])
def test_both_ways_from_nothing_to_both_and_back(local: bool) -> None:
    if local:
        home = Home("alice", "bob")
        one, other = home.client("alice", "x").online(), home.client("bob", "y").online()
        contacts = "bob@example.com", ALICE
        state = lambda: home.relation("alice", "bob@example.com").item.subscription  # noqa: E731
        carry = lambda: None  # noqa: E731
    else:
        domains = TwoDomains()
        one, other = domains.clients
        contacts = BOB, ALICE
        state = lambda: domains.homes[0].relation("alice", BOB).item.subscription  # noqa: E731
        carry = domains.carry
    seen = []
    for speaker, contact, type_ in (
        (one, contacts[0], "subscribe"),
        (other, contacts[1], "subscribed"),
        (other, contacts[1], "subscribe"),
        (one, contacts[0], "subscribed"),
        (one, contacts[0], "unsubscribe"),
        (one, contacts[0], "unsubscribed"),
    ):
        speaker.say(f"<presence to='{contact}' type='{type_}'/>")
        carry()
        seen.append(str(state()))
    assert seen == ["none", "to", "to", "both", "from", "none"]
