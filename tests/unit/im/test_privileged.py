"""Components that act for accounts (XEP-0356): rosters, messages, requests and presence, and what they may not do."""

from __future__ import annotations

import pytest

from gateway.im.privileged import PrivilegedEntities
from gateway.routing.privileges import Privileges, advertisements
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import Stanza
from tests.support.accounts import HERE, Client, Home
from tests.support.trees import swelling

BRIDGE = Domain("bridge.example.com")
ALICE, CONTACT = "alice@example.com", "juliet@bridge.example.com"
CARBONS = "<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>"
GET = f"<iq type='get' id='1' from='{{who}}' to='{ALICE}'><query xmlns='jabber:iq:roster'/></iq>"
SET = (
    f"<iq type='set' id='1' from='{{who}}' to='{ALICE}'><query xmlns='jabber:iq:roster'>"
    "<item jid='{jid}' subscription='{subscription}' name='Juliet'><group>Bridge</group></item></query></iq>"
)
WRAPPED = (
    "<message from='{who}' to='example.com' id='1'><privilege xmlns='urn:xmpp:privilege:{version}'>"
    "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='{sender}' to='{to}' type='chat'"
    " id='inner'><body>Ay me!</body></message></forwarded></privilege></message>"
)
ASKED = (
    "<iq type='{outer}' id='outer' from='{who}' to='alice@example.com'><privileged_iq xmlns='urn:xmpp:privilege:2'>"
    "<iq xmlns='jabber:client' type='{inner}' id='inner' to='{to}'{more}>{payload}</iq></privileged_iq></iq>"
)
PAYLOAD = "<pubsub xmlns='http://jabber.org/protocol/pubsub'/>"
EVERYTHING = Privileges(
    roster="both",
    message="outgoing",
    presence="roster",
    iq={"http://jabber.org/protocol/pubsub": "both", "jabber:iq:private": "get", "urn:xmpp:carbons:2": "set"},
)


class Bridged(Home):
    """A home with a component beside it that has privileges there."""

    def __init__(self, granted: Privileges = EVERYTHING, *, is_attached: bool = True) -> None:
        entities = PrivilegedEntities(granted=lambda: [(BRIDGE, granted)], is_attached=lambda _: is_attached)
        super().__init__("alice", "bob", entities=entities)

    def got(self) -> list[Stanza]:
        """Return what has gone to the component or elsewhere since the last time."""
        got, self.world.got = self.world.got, []
        return got

    def alice(self, presence: str = "<presence/>") -> Client:
        client = self.client("alice", "phone").online(presence)
        self.got()
        return client


def condition(stanza: Stanza) -> str:
    (error,) = stanza.element.elements(name="error")
    return next(each.name for each in error.elements())


def test_by_default_nothing_is_granted() -> None:
    home = Home("alice")
    for text in (GET.format(who=BRIDGE), SET.format(who=BRIDGE, jid=CONTACT, subscription="both")):
        home.arrive(text)
        assert condition(home.world.got.pop()) == "forbidden"
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=ALICE, to=CONTACT))
    assert condition(home.world.got.pop()) == "forbidden"
    home.arrive(ASKED.format(who=BRIDGE, outer="get", inner="get", to=CONTACT, payload=PAYLOAD, more=""))
    assert condition(home.world.got.pop()) == "forbidden"
    home.client("alice").online()
    assert not [each for each in home.world.got if each.to is not None and each.to.domain == BRIDGE]


@pytest.mark.parametrize("who", [f"somebody@{BRIDGE}", f"{BRIDGE}/resource", f"sub.{BRIDGE}", "other.example.com"])
def test_only_the_component_itself_has_them(who: str) -> None:
    home = Bridged()
    home.arrive(GET.format(who=who))
    assert condition(home.got().pop()) == "forbidden"
    home.arrive(WRAPPED.format(who=who, version=2, sender=ALICE, to=CONTACT))
    assert condition(home.got().pop()) == "forbidden"


# -- rosters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_online", [True, False])
def test_it_reads_a_roster(is_online: bool) -> None:
    home = Bridged()
    home.befriend("alice", "bob@example.com")
    if is_online:
        home.alice()
    home.arrive(GET.format(who=BRIDGE))
    (answer,) = home.got()
    (item,) = answer.element.first().elements()  # type: ignore[union-attr]
    assert (answer.type, str(answer.from_), str(answer.to)) == ("result", ALICE, BRIDGE)
    assert (item.get("jid"), item.get("subscription")) == ("bob@example.com", "both")


@pytest.mark.parametrize("is_online", [True, False])
def test_it_adds_its_contacts_as_subscribed_and_clients_and_itself_get_the_push(is_online: bool) -> None:
    home = Bridged()
    client = home.alice() if is_online else None
    home.arrive(SET.format(who=BRIDGE, jid=CONTACT, subscription="both"))
    got = home.got()
    assert "result" in [each.type for each in got]
    pushes = [each for each in got if each.type == "set"]
    assert [(str(each.from_), str(each.to)) for each in pushes] == [(ALICE, BRIDGE)]
    relation = home.relation("alice", CONTACT)
    assert (relation.item.subscription, relation.item.name, relation.item.groups) == ("both", "Juliet", {"Bridge"})
    if client is not None:
        assert any("subscription='both'" in each for each in client.heard())
        shown = [str(each.to) for each in got if each.name == "presence"]
        assert shown == [CONTACT], "who may see the account now sees it"


def test_it_takes_a_contact_away_and_the_contact_sees_the_account_no_longer() -> None:
    home = Bridged()
    home.befriend("alice", CONTACT)
    home.alice()
    home.arrive(SET.format(who=BRIDGE, jid=CONTACT, subscription="none"))
    assert ("unavailable", CONTACT) in [(each.type, str(each.to)) for each in home.got()]
    home.arrive(SET.format(who=BRIDGE, jid=CONTACT, subscription="remove"))
    assert home.relation("alice", CONTACT).item is None


@pytest.mark.parametrize("is_online", [True, False])
def test_to_remove_who_is_not_there_is_an_error(is_online: bool) -> None:
    home = Bridged()
    if is_online:
        home.alice()
    home.arrive(SET.format(who=BRIDGE, jid=CONTACT, subscription="remove"))
    assert condition(home.got().pop()) == "item-not-found"


@pytest.mark.parametrize("jid", ["bob@example.com", "mallory@elsewhere.test", "x@notbridge.example.com"])
def test_it_subscribes_nobody_for_whom_it_does_not_speak(jid: str) -> None:
    home = Bridged()
    home.arrive(SET.format(who=BRIDGE, jid=jid, subscription="both"))
    assert home.relation("alice", jid).item.subscription == "none"


def test_a_client_still_sets_no_subscription() -> None:
    home = Bridged()
    client = home.alice()
    client.say(SET.format(who=client.jid, jid=CONTACT, subscription="both"))
    assert home.relation("alice", CONTACT).item.subscription == "none"


@pytest.mark.parametrize(("granted", "may_get", "may_set"), [("get", True, False), ("set", False, True)])
def test_reading_and_writing_are_granted_apart(granted: str, may_get: bool, may_set: bool) -> None:
    home = Bridged(Privileges(roster=granted))
    for text, may in (
        (GET.format(who=BRIDGE), may_get),
        (SET.format(who=BRIDGE, jid=CONTACT, subscription="to"), may_set),
    ):
        home.arrive(text)
        (answer,) = [each for each in home.got() if each.id == "1"]
        assert answer.type == ("result" if may else "error")


@pytest.mark.parametrize("granted", [Privileges(roster="set"), Privileges(roster="both", push=False), Privileges()])
def test_pushes_go_only_to_who_may_get_rosters_and_wants_them(granted: Privileges) -> None:
    home = Bridged(granted)
    client = home.alice()
    client.say("<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@example.com'/></query></iq>")
    assert home.got() == []


def test_nothing_is_pushed_to_a_component_that_is_not_attached() -> None:
    home = Bridged(is_attached=False)
    client = home.alice()
    client.say("<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='bob@example.com'/></query></iq>")
    assert home.got() == []


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [1, 2])
def test_a_message_is_sent_as_if_by_the_account_and_its_clients_get_copies(version: int) -> None:
    home = Bridged()
    client = home.alice()
    client.say(CARBONS)
    client.heard()
    home.arrive(WRAPPED.format(who=BRIDGE, version=version, sender=ALICE, to=CONTACT))
    (sent,) = home.got()
    assert (str(sent.from_), str(sent.to), sent.type, sent.id, sent.body) == (ALICE, CONTACT, "chat", "inner", "Ay me!")
    assert b"privilege" not in sent.raw
    (copy,) = client.heard()
    assert "<sent xmlns='urn:xmpp:carbons:2'>" in copy
    assert f"from='{ALICE}'" in copy


def test_a_message_between_two_accounts_arrives() -> None:
    home = Bridged()
    bob = home.client("bob").online()
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=ALICE, to="bob@example.com"))
    assert [each.body for each in bob.got] == ["Ay me!"]


def test_the_domain_itself_may_be_the_sender() -> None:
    home = Bridged()
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=HERE, to=CONTACT))
    assert [str(each.from_) for each in home.got()] == [HERE]


@pytest.mark.parametrize("sender", [f"{ALICE}/phone", "alice@elsewhere.test", f"x@{BRIDGE}", ""])
def test_a_message_from_anybody_else_is_forbidden(sender: str) -> None:
    home = Bridged()
    text = WRAPPED.format(who=BRIDGE, version=2, sender=sender, to=CONTACT)
    home.arrive(text if sender else text.replace(" from=''", ""))
    (answer,) = home.got()
    assert (answer.type, condition(answer)) == ("error", "forbidden")


@pytest.mark.parametrize(
    ("sender", "more"),
    [
        (ALICE, "<sent xmlns='urn:xmpp:carbons:2'/>"),
        (ALICE, "<received xmlns='urn:xmpp:carbons:2'/>"),
        (HERE, "<privilege xmlns='urn:xmpp:privilege:2'><perm access='roster' type='both'/></privilege>"),
    ],
)
def test_a_message_that_only_the_server_may_make_is_forbidden(sender: str, more: str) -> None:
    home = Bridged()
    client = home.alice()
    text = WRAPPED.format(who=BRIDGE, version=2, sender=sender, to=ALICE)
    home.arrive(text.replace("<body>", f"{more}<body>"))
    (answer,) = home.got()
    assert (answer.type, condition(answer)) == ("error", "forbidden")
    assert client.heard() == []


def test_a_message_of_a_type_that_does_not_exist_is_refused() -> None:
    home = Bridged()
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=ALICE, to=CONTACT).replace("'chat'", "'bogus'"))
    assert condition(home.got().pop()) == "bad-request"


@pytest.mark.parametrize(
    ("sender", "to", "told"),
    [(ALICE, "", "bad-request"), (ALICE, "@", "jid-malformed"), ("@", CONTACT, "jid-malformed")],
)
def test_a_message_with_addresses_that_are_none_is_refused(sender: str, to: str, told: str) -> None:
    home = Bridged()
    text = WRAPPED.format(who=BRIDGE, version=2, sender=sender, to=to)
    home.arrive(text.replace(" to=''", ""))
    assert condition(home.got().pop()) == told


def test_a_message_to_the_account_itself_comes_once() -> None:
    home = Bridged()
    client = home.alice()
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=ALICE, to=ALICE))
    assert [each.body for each in client.got] == ["Ay me!"]


def test_an_answer_that_swells_when_it_is_wrapped_is_refused() -> None:
    home = Bridged()
    home.arrive(ASKED.format(who=BRIDGE, outer="get", inner="get", to=CONTACT, payload=PAYLOAD, more=""))
    (question,) = home.got()
    home.arrive(f"<iq type='result' id='{question.id}' from='{CONTACT}' to='{ALICE}'>{swelling()}</iq>")
    (answer,) = home.got()
    assert (answer.type, answer.id, condition(answer)) == ("error", "outer", "policy-violation")


def test_nobody_speaks_for_an_account_that_does_not_exist_or_to_who_is_blocked() -> None:
    home = Bridged()
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender="nobody@example.com", to=CONTACT))
    assert condition(home.got().pop()) == "item-not-found"
    home.memory.block(ALICE, [CONTACT])
    home.arrive(WRAPPED.format(who=BRIDGE, version=2, sender=ALICE, to=CONTACT))
    assert condition(home.got().pop()) == "not-acceptable"


def test_without_something_to_forward_it_is_a_bad_request() -> None:
    home = Bridged()
    home.arrive(f"<message from='{BRIDGE}' to='example.com'><privilege xmlns='urn:xmpp:privilege:2'/></message>")
    assert condition(home.got().pop()) == "bad-request"


def test_other_messages_to_the_domain_go_where_they_went() -> None:
    home = Bridged()
    home.arrive(f"<message from='{BRIDGE}' to='example.com'><body>urn:xmpp:privilege:2</body></message>")
    assert len(home.itself.got) == 1


# -- requests ----------------------------------------------------------------------------------------------------------


def test_a_request_goes_out_in_the_name_of_the_account_and_the_answer_comes_back_wrapped() -> None:
    home = Bridged()
    home.arrive(ASKED.format(who=BRIDGE, outer="set", inner="set", to="romeo@far.test", payload=PAYLOAD, more=""))
    (question,) = home.got()
    assert (str(question.from_), str(question.to), question.type) == (ALICE, "romeo@far.test", "set")
    home.arrive(f"<iq type='result' id='{question.id}' from='romeo@far.test' to='{ALICE}'>{PAYLOAD}</iq>")
    (answer,) = home.got()
    assert (answer.type, answer.id, str(answer.from_), str(answer.to)) == ("result", "outer", ALICE, BRIDGE)
    inside = answer.element.first("urn:xmpp:privilege:2", "privilege").first().first()  # type: ignore[union-attr]
    assert inside is not None
    assert (inside.name, inside.get("id"), inside.get("from")) == ("iq", "inner", "romeo@far.test")
    assert inside.first(None, "pubsub") is not None
    assert b"<iq xmlns='jabber:client'" in answer.raw


def test_an_error_comes_back_as_an_error_with_the_whole_answer() -> None:
    home = Bridged()
    home.arrive(ASKED.format(who=BRIDGE, outer="get", inner="get", to=ALICE, payload=PAYLOAD, more=""))
    (answer,) = home.got()
    assert (answer.type, answer.id, condition(answer)) == ("error", "outer", "service-unavailable")
    assert answer.element.first("urn:xmpp:privilege:2", "privilege") is not None


def test_the_accounts_own_documents_can_be_read_and_what_needs_a_client_is_refused() -> None:
    home = Bridged()
    payload = "<query xmlns='jabber:iq:private'><x xmlns='urn:example'/></query>"
    home.arrive(ASKED.format(who=BRIDGE, outer="get", inner="get", to=ALICE, payload=payload, more=""))
    assert home.got().pop().type == "result"
    payload = "<enable xmlns='urn:xmpp:carbons:2'/>"
    home.arrive(ASKED.format(who=BRIDGE, outer="set", inner="set", to=ALICE, payload=payload, more=""))
    assert condition(home.got().pop()) == "service-unavailable"


@pytest.mark.parametrize(
    "changes",
    [
        {"inner": "set"},
        {"payload": "<query xmlns='jabber:iq:version'/>"},
        {"payload": "<query xmlns='jabber:iq:private'/>", "outer": "set", "inner": "set"},
        {"more": " from='bob@example.com'"},
        {"more": f" from='{ALICE}/phone'"},
        {"who": "other.example.com"},
    ],
)
def test_a_request_that_was_not_granted_is_forbidden(changes: dict[str, str]) -> None:
    home = Bridged()
    usual = {"who": BRIDGE, "outer": "get", "inner": "get", "to": CONTACT, "payload": PAYLOAD, "more": ""}
    home.arrive(ASKED.format(**(usual | changes)))
    (answer,) = home.got()
    assert (answer.type, condition(answer)) == ("error", "forbidden")


def test_who_does_not_know_the_id_cannot_answer() -> None:
    home = Bridged()
    home.arrive(ASKED.format(who=BRIDGE, outer="get", inner="get", to="romeo@far.test", payload=PAYLOAD, more=""))
    home.got()
    home.arrive(f"<iq type='result' id='inner' from='mallory@far.test' to='{ALICE}'/>")
    assert home.got() == []


# -- presence ----------------------------------------------------------------------------------------------------------


def to_bridge(home: Bridged) -> list[tuple[str, str | None]]:
    return [(str(each.from_), each.type) for each in home.got() if str(each.to) == BRIDGE]


@pytest.mark.parametrize("granted", [Privileges(presence="managed_entity"), EVERYTHING])
def test_it_sees_accounts_come_and_go(granted: Privileges) -> None:
    home = Bridged(granted)
    client = home.client("alice", "phone").online()
    assert to_bridge(home) == [(f"{ALICE}/phone", None)]
    client.say("<presence><show>away</show></presence>")
    assert to_bridge(home) == [(f"{ALICE}/phone", None)]
    client.leave()
    assert to_bridge(home) == [(f"{ALICE}/phone", "unavailable")]


def test_a_subscriber_is_not_told_twice() -> None:
    home = Bridged()
    home.befriend("alice", BRIDGE, "from")
    home.client("alice", "phone").online()
    assert to_bridge(home) == [(f"{ALICE}/phone", None)]


def test_who_comes_later_gets_what_it_would_have_got() -> None:
    home = Bridged()
    home.befriend("alice", "romeo@far.test")
    home.alice("<presence><show>chat</show></presence>")
    home.arrive(
        f"<presence from='romeo@far.test/a' to='{ALICE}'/>", f"<presence from='romeo@far.test/b' to='{ALICE}'/>"
    )
    home.arrive(f"<presence from='romeo@far.test/b' to='{ALICE}' type='unavailable'/>")
    shown = home.domain.introduction(BRIDGE)
    assert [(str(each.from_), str(each.to)) for each in shown] == [
        (f"{ALICE}/phone", BRIDGE),
        ("romeo@far.test/a", BRIDGE),
    ]
    assert b"<show>chat</show>" in shown[0].raw


def test_it_sees_contacts_once_whether_or_not_the_account_is_there() -> None:
    home = Bridged()
    for local in ("alice", "bob"):
        home.befriend(local, "romeo@far.test", "to")
    home.alice()
    for to in (ALICE, "bob@example.com"):
        home.arrive(f"<presence from='romeo@far.test/a' to='{to}'/>")
    assert to_bridge(home) == [("romeo@far.test/a", None)]


@pytest.mark.parametrize("is_online", [True, False])
def test_it_does_not_see_strangers(is_online: bool) -> None:
    home = Bridged()
    home.befriend("alice", "romeo@far.test", "from")
    if is_online:
        home.alice()
    for who in ("romeo@far.test/a", "stranger@far.test/a"):
        home.arrive(f"<presence from='{who}' to='{ALICE}'/>")
    assert to_bridge(home) == []


def test_without_that_privilege_it_sees_no_contacts() -> None:
    home = Bridged(Privileges(presence="managed_entity", roster="both"))
    home.befriend("alice", "romeo@far.test")
    home.alice()
    home.arrive(f"<presence from='romeo@far.test/a' to='{ALICE}'/>")
    assert to_bridge(home) == []
    assert len(home.domain.introduction(BRIDGE)) == 1


# -- what it is told ---------------------------------------------------------------------------------------------------


def test_it_is_told_what_it_may_do_in_both_versions() -> None:
    one, two = advertisements(HERE, BRIDGE, EVERYTHING)
    for message, version in ((one, 1), (two, 2)):
        assert (str(message.from_), str(message.to), message.name) == (HERE, BRIDGE, "message")
        privilege = message.element.first(f"urn:xmpp:privilege:{version}", "privilege")
        assert privilege is not None
        perms = {each.get("access"): (each.get("type"), each.get("push")) for each in privilege.elements()}
        expected = {"roster": ("both", "true"), "message": ("outgoing", None), "presence": ("roster", None)}
        assert perms == (expected if version == 1 else {**expected, "iq": (None, None)})
    (iq,) = [each for each in two.element.first().elements() if each.get("access") == "iq"]  # type: ignore[union-attr]
    assert {each.get("ns"): each.get("type") for each in iq.elements()} == EVERYTHING.iq
