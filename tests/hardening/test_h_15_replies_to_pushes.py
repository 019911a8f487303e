"""H-15: no reply is matched by its id alone, for the server that pushes: it matches none (CVE-2024-46957)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE = "alice@example.com"
SET = "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@example.net'/></query></iq>"


@pytest.mark.parametrize("sender", ["eve@example.net/x", "mallory@example.com/x", "example.com"])
@pytest.mark.parametrize("to", [ALICE, f"{ALICE}/gone"])
def test_h_15_reply_of_somebody_else_with_the_id_of_a_push_has_no_effect(sender: str, to: str) -> None:
    home = Home("alice", "mallory")
    phone = home.client("alice", "phone").online()
    phone.say(SET)
    (push,) = [stanza for stanza in phone.got if stanza.type == "set"]
    phone.heard()
    before = home.relation("alice", "bob@example.net")
    for type_ in ("result", "error"):
        payload = "<error type='cancel'/>" if type_ == "error" else ""
        home.arrive(f"<iq from='{sender}' to='{to}' type='{type_}' id='{push.id}'>{payload}</iq>")
    assert phone.heard() == home.world.heard() == home.itself.heard() == []
    assert home.relation("alice", "bob@example.net") == before


def test_h_15_reply_of_the_client_itself_ends_silently_and_a_reply_to_others_passes() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(SET)
    (push,) = [stanza for stanza in phone.got if stanza.type == "set"]
    phone.heard()
    phone.say(
        f"<iq type='result' id='{push.id}'/>",
        f"<iq type='error' id='{push.id}' to='{ALICE}'><error type='cancel'/></iq>",
        f"<iq type='result' id='{push.id}' to='eve@example.net/x'/>",
    )
    assert phone.heard() == []
    assert home.world.heard() == xml(f"<iq from='{ALICE}/phone' type='result' id='{push.id}' to='eve@example.net/x'/>")
