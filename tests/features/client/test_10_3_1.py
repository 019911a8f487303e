"""Feature 10.3-1 [presence-notype], as a client: presence without a type means available (RFC 6121 §4.7.1)."""

from __future__ import annotations

import pytest

from tests.support.stays import ROMEO, Stay


def test_we_are_available_by_presence_without_a_type() -> None:
    stay = Stay()
    stay.messaging.show()
    assert stay.said == ["<presence/>"]


def test_who_says_nothing_more_is_available() -> None:
    stay = Stay()
    stay.hears(f"<presence from='{ROMEO}/x'/>")
    assert list(stay.messaging.presences) == [f"{ROMEO}/x"]


@pytest.mark.parametrize("kind", ["unavailable", "error"])
def test_who_says_so_is_not(kind: str) -> None:
    stay = Stay()
    stay.hears(f"<presence from='{ROMEO}/x'/>")
    stay.hears(f"<presence from='{ROMEO}/x' type='{kind}'/>")
    assert stay.messaging.presences == {}


@pytest.mark.parametrize("kind", ["subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe"])
def test_other_types_say_nothing_about_it(kind: str) -> None:
    stay = Stay()
    stay.hears(f"<presence from='{ROMEO}' type='{kind}'/>")
    assert stay.messaging.presences == {}
    assert [each.type for each in stay.heard] == [kind]
