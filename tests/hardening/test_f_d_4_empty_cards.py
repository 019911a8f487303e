"""F-D-4: an account without a vCard has an empty one for everybody, and so has an address without an account."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

QUERY = "<vCard xmlns='vcard-temp'/>"


@pytest.mark.parametrize("asked", ["alice@example.com", "nobody@example.com"])
@pytest.mark.parametrize("asker", ["bob@example.com/desk", "carol@far.test/x"])
def test_f_d_4_no_card_is_an_empty_card(asker: str, asked: str) -> None:
    """The answer is an empty card, the same whether the account exists or not."""
    home = Home("alice", "bob")
    bob = home.client("bob", "desk")
    home.arrive(f"<iq from='{asker}' to='{asked}' type='get' id='v'>{QUERY}</iq>")
    listener = bob if asker.startswith("bob") else home.world
    assert listener.heard() == xml(f"<iq from='{asked}' to='{asker}' type='result' id='v'>{QUERY}</iq>")


def test_f_d_4_own_card() -> None:
    """A client that asks for its own account's card before it has set one gets an empty one."""
    alice = Home("alice").client("alice", "phone")
    alice.say(f"<iq type='get' id='v'>{QUERY}</iq>")
    assert [each.type for each in alice.got] == ["result"]
