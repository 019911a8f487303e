"""What accounts have after a restart, with a store in a file."""

from __future__ import annotations

from pathlib import Path

from gateway.storage.opening import open_store
from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"


def home(folder: Path, *accounts: str) -> Home:
    return Home(*accounts, store=open_store("sqlite:gateway.db", folder, token=lambda: "epoch"))


def test_everything_that_was_acknowledged_is_there_again(tmp_path: Path) -> None:
    before = home(tmp_path, "alice")
    phone = before.client("alice", "phone").online()
    phone.say(
        "<iq type='set' id='1'><query xmlns='jabber:iq:roster'>"
        "<item jid='carol@example.net' name='Carol'><group>Friends</group></item></query></iq>",
        "<iq type='set' id='2'><block xmlns='urn:xmpp:blocking'><item jid='spam.example'/></block></iq>",
        "<iq type='set' id='3'><vCard xmlns='vcard-temp'><FN>Alice</FN></vCard></iq>",
        f"<presence to='{BOB}' type='subscribe'/>",
    )
    assert [each.id for each in phone.got if each.type == "result"] == ["1", "2", "3"]
    phone.leave()
    request = f"<presence from='dave@example.net' to='{ALICE}' type='subscribe'/>"
    message = f"<message from='{BOB}/x' to='{ALICE}' type='chat'><body>Hi</body>{{}}</message>"
    before.arrive(request, f"<presence from='{BOB}' to='{ALICE}' type='subscribed'/>", message.format(""))
    before.memory.close()

    after = home(tmp_path)
    phone = after.client("alice", "phone")
    phone.say("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>", "<presence/>")
    assert phone.heard() == xml(
        f"<iq type='result' id='1' from='{ALICE}' to='{ALICE}/phone'><query xmlns='jabber:iq:roster'>"
        "<item jid='bob@example.net' subscription='to'/>"
        "<item jid='carol@example.net' name='Carol' subscription='none'><group>Friends</group></item></query></iq>",
        f"<presence from='{ALICE}/phone' to='{ALICE}'/>",
        request,
        message.format("<delay xmlns='urn:xmpp:delay' from='example.com' stamp='2001-09-09T01:46:40.000Z'/>"),
    )
    assert after.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='probe'/>")
    phone.say(
        "<iq type='get' id='2'><blocklist xmlns='urn:xmpp:blocking'/></iq>",
        "<iq type='get' id='3'><vCard xmlns='vcard-temp'/></iq>",
    )
    assert [b"spam.example" in phone.got[0].raw, b"<FN>Alice</FN>" in phone.got[1].raw] == [True, True]
    after.memory.close()
