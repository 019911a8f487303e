"""F-D-3: a request to a full address arrives from accounts and components of this gateway, and from rooms joined."""

from __future__ import annotations

import pytest

from gateway.routing.policy import DomainRule
from gateway.xmpp.addresses import Domain
from tests.support.accounts import Home

PING = "<ping xmlns='urn:xmpp:ping'/>"
PHONE = "alice@example.com/phone"
BRIDGE = Domain("bridge.example.com")


def _home() -> Home:
    home = Home("alice", "bob")
    home.router.domains.replace({home.here: DomainRule(), BRIDGE: DomainRule(with_subdomains=True)})
    home.router.attach(BRIDGE, home.world)
    return home


def _ask(sender: str) -> str:
    return f"<iq from='{sender}' to='{PHONE}' type='get' id='p'>{PING}</iq>"


def test_f_d_3_between_accounts_of_this_gateway() -> None:
    """A request passes between two accounts without a subscription, and so does its answer."""
    home = _home()
    alice, bob = home.client("alice", "phone"), home.client("bob", "desk")
    bob.say(f"<iq to='{PHONE}' type='get' id='p'>{PING}</iq>")
    (request,) = alice.got
    assert request.type == "get"
    alice.say("<iq to='bob@example.com/desk' type='result' id='p'/>")
    assert [each.type for each in bob.got] == ["result"]


@pytest.mark.parametrize("sender", ["bridge.example.com", "user@bridge.example.com/x", "sub.bridge.example.com"])
def test_f_d_3_from_a_component_of_this_gateway(sender: str) -> None:
    """A request of a component passes, whatever address below its domain it comes from."""
    home = _home()
    alice = home.client("alice", "phone")
    home.arrive(_ask(sender))
    assert [each.type for each in alice.got] == ["get"]


@pytest.mark.parametrize("sender", ["rooms.far.test", "cave@rooms.far.test", "cave@rooms.far.test/nick"])
def test_f_d_3_from_a_domain_to_which_presence_was_sent(sender: str) -> None:
    """A request of the service whose room was joined passes, until the room is left."""
    home = _home()
    alice = home.client("alice", "phone")
    alice.say("<presence to='cave@rooms.far.test/me'/>")
    home.arrive(_ask(sender))
    assert [each.type for each in alice.got] == ["get"]
    alice.say("<presence to='cave@rooms.far.test/me' type='unavailable'/>")
    home.arrive(_ask(sender))
    assert [each.type for each in alice.got] == ["get"]


@pytest.mark.parametrize("sender", ["mallory@evil.test/x", "evil.test", "mallory@example.com.evil.test"])
def test_f_d_3_not_from_strangers_outside(sender: str) -> None:
    """A stranger outside is answered as if nobody were there."""
    home = _home()
    alice = home.client("alice", "phone")
    alice.say("<presence to='cave@rooms.far.test/me'/>")
    home.world.heard()
    home.arrive(_ask(sender))
    assert alice.got == []
    (answer,) = home.world.got
    assert b"service-unavailable" in answer.raw
