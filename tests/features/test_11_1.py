"""11-1: a client gets its roster, and nobody else does (RFC 6121 §2.1.3, §2.2)."""

from __future__ import annotations

import pytest

from gateway.im.account import Interest
from gateway.storage.records import Relation, RosterItem, Subscription
from tests.support.accounts import Home, xml

GET = "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"


def test_roster_has_each_contact_with_name_groups_and_subscription() -> None:
    home = Home("alice")
    for item in (
        RosterItem(
            contact="bob@example.net", name="B & Co", groups=frozenset({"b", "a"}), subscription=Subscription.TO
        ),
        RosterItem(contact="carol@example.net", ask=True, approved=True),
        RosterItem(contact="conference.example.net", subscription=Subscription.BOTH),
    ):
        home.memory.update_relation("alice@example.com", item.contact, lambda before, item=item: Relation(item=item))
    phone = home.client("alice", "phone")
    phone.say(GET)
    assert phone.heard() == xml(
        """<iq type='result' id='1' from='alice@example.com' to='alice@example.com/phone'>
        <query xmlns='jabber:iq:roster'>
        <item jid='bob@example.net' name='B &amp; Co' subscription='to'><group>a</group><group>b</group></item>
        <item jid='carol@example.net' subscription='none' ask='subscribe' approved='true'/>
        <item jid='conference.example.net' subscription='both'/></query></iq>""".replace("\n        ", "")
    )


def test_empty_roster_is_an_empty_query() -> None:
    phone = Home("alice").client("alice", "phone")
    phone.say(GET)
    assert phone.heard() == xml(
        "<iq type='result' id='1' from='alice@example.com' to='alice@example.com/phone'>"
        "<query xmlns='jabber:iq:roster'/></iq>"
    )


def test_request_to_ones_own_bare_address_is_the_same() -> None:
    phone = Home("alice").client("alice", "phone")
    phone.say(GET.replace("id=", "to='Alice@Example.com' id="))
    assert len(phone.heard()) == 1
    assert Interest.ROSTER in phone.resource.interests


def test_contact_who_only_waits_for_an_answer_is_not_in_the_roster() -> None:
    home = Home("alice")
    home.arrive("<presence from='bob@example.net' to='alice@example.com' type='subscribe'/>")
    phone = home.client("alice", "phone")
    phone.say(GET)
    assert phone.heard() == xml(
        "<iq type='result' id='1' from='alice@example.com' to='alice@example.com/phone'>"
        "<query xmlns='jabber:iq:roster'/></iq>"
    )


@pytest.mark.parametrize("asker", ["bob@example.com/x", "eve@example.net/x"])
def test_request_of_anybody_else_is_forbidden(asker: str) -> None:
    home = Home("alice")
    home.befriend("alice", asker.partition("/")[0])
    request = f"<iq from='{asker}' to='alice@example.com' type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>"
    bounced: list[str] = []
    home.router.bounce = lambda stanza, error: bounced.append(str(error.condition))  # type: ignore[method-assign]
    home.arrive(request)
    assert bounced == ["forbidden"]
