"""Feature 10.2-1 [message-type-support]: message types are told apart (RFC 6121 §5.2.2)."""

from __future__ import annotations

import pytest

from tests.support.stays import Stay

SAID = "<message from='romeo@away.test/x'{type}><body>hi</body></message>"


@pytest.mark.parametrize("kind", ["normal", "chat", "groupchat", "headline", "error"])
def test_each_type_is_heard_as_what_it_is(kind: str) -> None:
    stay = Stay()
    assert stay.hears(SAID.format(type=f" type='{kind}'")) == []
    assert [each.type for each in stay.heard] == [kind]


def test_message_without_a_type_has_none_and_is_heard() -> None:
    stay = Stay()
    stay.hears(SAID.format(type=""))
    assert [each.type for each in stay.heard] == [None]
