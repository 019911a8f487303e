"""Components that answer in place of a domain with accounts (XEP-0355): what goes to them, and what comes back."""

from __future__ import annotations

import pytest

from gateway.im.delegated import ANNOUNCED_SECONDS, ANSWER_SECONDS, MOST_DELEGATED, UNANNOUNCED_SECONDS, Delegates
from gateway.im.privileged import PrivilegedEntities
from gateway.routing.delegations import (
    DISCO_INFO_AT_NODES,
    DISCO_ITEMS_OF_ACCOUNTS,
    Delegated,
    told_delegated,
)
from gateway.routing.privileges import Privileges
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import DELEGATION, DISCO_INFO, FORWARD, VCARD
from gateway.xmpp.stanzas import Stanza, restored
from tests.support.accounts import HERE, Client, Home
from tests.support.trees import element, swelling

ARCHIVE, OTHER = Domain("archive.example.com"), Domain("other.example.com")
ALICE, ROMEO = "alice@example.com", "romeo@far.test/orchard"
PUBSUB, MAM = "http://jabber.org/protocol/pubsub", "urn:xmpp:mam:2"
GRANTED: Delegated = {PUBSUB: (), MAM: ("node", "queryid"), VCARD: ()}


class Delegating(Home):
    """A home with a component that answers for some namespaces."""

    def __init__(self, granted: Delegated = GRANTED, *, is_attached: bool = True) -> None:
        self.granted = [(ARCHIVE, granted)]
        super().__init__("alice", delegates=Delegates(granted=lambda: self.granted, is_attached=lambda _: is_attached))

    def got(self) -> list[Stanza]:
        """Return the stanzas to the component and elsewhere since the last time."""
        got, self.world.got = self.world.got, []
        return got

    def phone(self) -> Client:
        client = self.client("alice", "phone").online()
        self.got()
        return client

    def wrapped(self) -> tuple[Stanza, Element]:
        """The one request that has gone to the component, and what is in it."""
        (asked,) = self.got()
        assert (str(asked.from_), str(asked.to), asked.type) == (HERE, ARCHIVE, "set")
        delegation = asked.element.first(DELEGATION, "delegation")
        assert delegation is not None
        forwarded = delegation.first(FORWARD, "forwarded")
        assert forwarded is not None
        inside = forwarded.first()
        assert inside is not None
        return asked, inside

    def answer(self, asked: Stanza, inside: str, type_: str = "result", who: str = ARCHIVE) -> None:
        answer = (
            f"<iq type='{type_}' id='{asked.id}' from='{who}' to='{HERE}'><delegation xmlns='{DELEGATION}'>"
            f"<forwarded xmlns='{FORWARD}'>{inside}</forwarded></delegation></iq>"
        )
        self.router.route(restored("iq", answer.encode()))  # as it comes from a component's stream
        self.router.flush()


def request(namespace: str = PUBSUB, *, to: str | None = ALICE, type_: str = "get", more: str = "") -> str:
    addressed = f" to='{to}'" if to else ""
    return f"<iq type='{type_}' id='q1'{addressed}><query xmlns='{namespace}'{more}/></iq>"


def from_romeo(namespace: str = PUBSUB, to: str = ALICE, more: str = "") -> str:
    return request(namespace, to=to, more=more).replace("<iq", f"<iq from='{ROMEO}'", 1)


def result(
    to: str, *, id_: str = "q1", type_: str = "result", more: str = "", payload: str = "<ok xmlns='urn:x'/>"
) -> str:
    return f"<iq xmlns='jabber:client' type='{type_}' id='{id_}' to='{to}'{more}>{payload}</iq>"


def condition(stanza: Stanza) -> str:
    (error,) = stanza.element.elements(name="error")
    return next(each.name for each in error.elements())


# -- what goes to the component ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [None, ALICE, HERE, "bob@example.com"])
@pytest.mark.parametrize("type_", ["get", "set"])
def test_a_request_of_a_client_goes_to_the_component_and_its_answer_comes_back(to: str | None, type_: str) -> None:
    home = Delegating()
    phone = home.phone()
    phone.say(request(to=to, type_=type_))
    asked, inside = home.wrapped()
    assert (inside.namespace, inside.get("from"), inside.get("to")) == ("jabber:client", phone.jid, to)
    assert (inside.get("id"), inside.get("type"), inside.first(PUBSUB, "query") is not None) == ("q1", type_, True)
    assert b"<iq xmlns='jabber:client'" in asked.raw
    home.answer(asked, result(phone.jid))
    (answer,) = phone.got
    assert (answer.type, answer.id, str(answer.from_), str(answer.to)) == ("result", "q1", to or ALICE, phone.jid)
    assert answer.element.first("urn:x", "ok") is not None
    assert home.got() == []
    assert home.itself.got == []


@pytest.mark.parametrize("to", [ALICE, "nobody@example.com", HERE])
def test_a_request_of_a_stranger_goes_there_too_whether_or_not_the_account_exists(to: str) -> None:
    home = Delegating()
    home.arrive(from_romeo(to=to))
    asked, inside = home.wrapped()
    assert (inside.get("from"), inside.get("to")) == (ROMEO, to)
    home.answer(asked, result(ROMEO, more=f" from='{to}'"))
    (answer,) = home.got()
    assert (answer.type, str(answer.from_), str(answer.to)) == ("result", to, ROMEO)


@pytest.mark.parametrize(
    "text",
    [
        from_romeo("urn:example:other"),
        from_romeo(f"{PUBSUB}#owner"),
        from_romeo(MAM),
        from_romeo(MAM, more=" node='x'"),
        from_romeo(to=f"{ALICE}/phone"),
        from_romeo("http://jabber.org/protocol/disco#info", more=" node='x'"),
        request().replace("<iq", f"<iq from='{ARCHIVE}'"),
        request(to=HERE).replace("<iq", f"<iq from='{ARCHIVE}/a'"),
    ],
)
def test_nothing_else_goes_there(text: str) -> None:
    home = Delegating()
    home.arrive(text)
    assert DELEGATION.encode() not in b"".join(each.raw for each in home.got())


def test_a_request_with_all_attributes_of_the_delegation_goes_there() -> None:
    home = Delegating()
    home.arrive(from_romeo(MAM, more=" node='x' queryid=''"))
    assert home.wrapped()[1].get("from") == ROMEO


def test_by_default_nothing_goes_anywhere() -> None:
    home = Home("alice")
    home.arrive(from_romeo(), from_romeo(to=HERE))
    assert [each.type for each in home.world.got] == ["error"]
    assert len(home.itself.got) == 1


def test_a_stranger_whom_the_account_blocks_gets_the_error_of_an_account() -> None:
    home = Delegating()
    block = "<iq type='set' id='b'><block xmlns='urn:xmpp:blocking'><item jid='far.test'/></block></iq>"
    home.phone().say(block)
    home.arrive(from_romeo())
    (answer,) = home.got()
    assert (answer.type, condition(answer)) == ("error", "service-unavailable")


@pytest.mark.parametrize(
    ("delegated", "kind", "node", "passes"),
    [
        (DISCO_INFO_AT_NODES, "info", "x", True),
        (DISCO_INFO_AT_NODES, "info", "", False),
        (DISCO_INFO_AT_NODES, "items", "x", False),
        (DISCO_ITEMS_OF_ACCOUNTS, "items", "", True),
        (DISCO_ITEMS_OF_ACCOUNTS, "items", "x", True),
        (DISCO_ITEMS_OF_ACCOUNTS, "info", "x", False),
    ],
)
def test_discovery_of_accounts_can_be_delegated_but_not_that_of_the_domain(
    delegated: str, kind: str, node: str, passes: bool
) -> None:
    home = Delegating({delegated: ()})
    namespace = f"http://jabber.org/protocol/disco#{kind}"
    more = f" node='{node}'" if node else ""
    home.arrive(from_romeo(namespace, more=more))
    assert (str(home.got()[0].to) == ARCHIVE) is passes
    home.arrive(from_romeo(namespace, HERE, more))
    assert home.got() == []
    assert len(home.itself.got) == 1


# -- what comes back ---------------------------------------------------------------------------------------------------


def test_an_error_in_the_answer_reaches_the_sender() -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    home.answer(asked, result(ROMEO, type_="error", payload=error))
    (answer,) = home.got()
    assert (answer.type, condition(answer)) == ("error", "item-not-found")


@pytest.mark.parametrize(
    "inside",
    [
        "",
        result(ROMEO).replace("iq", "message"),
        result(ROMEO, id_="q2"),
        result(ROMEO, type_="set"),
        result("alice@example.com/phone"),
        result(ROMEO).replace(f" to='{ROMEO}'", ""),
        result("@"),
        result(ROMEO, more=" from='bob@example.com'"),
        result(ROMEO, more=f" from='{ARCHIVE}'"),
        result(ROMEO, payload=swelling()),
    ],
)
def test_an_answer_to_something_else_counts_as_none(inside: str) -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    home.answer(asked, inside)
    (answer,) = home.got()
    assert (answer.type, condition(answer), str(answer.to)) == ("error", "service-unavailable", ROMEO)
    assert (str(answer.from_), answer.id) == (ALICE, "q1")


def test_a_refusal_of_the_component_is_an_error_and_what_it_says_stays_between_us() -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    error = "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    home.arrive(f"<iq type='error' id='{asked.id}' from='{ARCHIVE}' to='{HERE}'>{error}</iq>")
    (answer,) = home.got()
    assert condition(answer) == "service-unavailable"


@pytest.mark.parametrize("who", [OTHER, f"someone@{ARCHIVE}", "mallory@far.test"])
def test_nobody_else_can_answer(who: str) -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    home.answer(asked, result(ROMEO), who=who)
    (answer,) = home.got()
    assert condition(answer) == "service-unavailable"


def test_an_answer_that_nobody_has_asked_for_goes_nowhere() -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    home.answer(asked, result(ROMEO))
    assert len(home.got()) == 1
    home.answer(asked, result(ROMEO))
    assert home.got() == []


def test_a_component_that_is_silent_is_not_waited_for_and_its_late_answer_is_dropped() -> None:
    home = Delegating()
    home.arrive(from_romeo())
    first, _ = home.wrapped()
    home.clock.advance(ANSWER_SECONDS / 2)
    home.arrive(from_romeo(to=HERE))
    second, _ = home.wrapped()
    home.clock.advance(ANSWER_SECONDS / 2)
    (answer,) = home.got()
    assert (condition(answer), str(answer.from_)) == ("service-unavailable", ALICE)
    home.clock.advance(ANSWER_SECONDS / 2)
    (answer,) = home.got()
    assert (condition(answer), str(answer.from_)) == ("service-unavailable", HERE)
    for asked in (first, second):
        home.answer(asked, result(ROMEO))
    assert home.got() == []
    assert home.clock.getDelayedCalls() == []


def test_a_component_that_is_away_is_an_error_at_once() -> None:
    home = Delegating()
    home.arrive(from_romeo())
    asked, _ = home.wrapped()
    error = "<error type='wait'><remote-server-timeout xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    home.arrive(f"<iq type='error' id='{asked.id}' from='{ARCHIVE}' to='{HERE}'>{error}</iq>")
    assert condition(home.got().pop()) == "service-unavailable"


def test_who_asks_the_most_makes_room() -> None:
    home = Delegating()
    phone = home.phone()
    phone.say(request())
    asked, _ = home.wrapped()
    home.arrive(*[from_romeo() for _ in range(MOST_DELEGATED)])
    refused = [each for each in home.got() if each.type == "error"]
    assert [(condition(each), str(each.to)) for each in refused] == [("service-unavailable", ROMEO)]
    home.answer(asked, result(phone.jid))
    assert phone.got[-1].type == "result"


def test_what_waits_is_answered_when_the_gateway_stops_and_no_timer_is_left() -> None:
    home = Delegating()
    home.domain.meet(ARCHIVE)
    home.arrive(from_romeo())
    home.wrapped()
    home.domain.answer_waiting()
    assert condition(home.world.got.pop()) == "service-unavailable"
    assert home.clock.getDelayedCalls() == []


def test_a_request_that_swells_when_it_is_wrapped_is_refused() -> None:
    home = Delegating()
    home.arrive(f"<iq type='get' id='q1' from='{ROMEO}' to='{ALICE}'><x xmlns='{PUBSUB}'>{swelling()}</x></iq>")
    assert condition(home.got().pop()) == "service-unavailable"
    assert home.got() == []


# -- discovery ---------------------------------------------------------------------------------------------------------

OWN = [element(f"<feature xmlns='{DISCO_INFO}' var='{var}'/>") for var in (VCARD, f"{VCARD}#x", "urn:xmpp:ping")]
ANNOUNCED = f"<identity category='pubsub' type='pep'/><feature var='{PUBSUB}#publish'/><feature var='urn:xmpp:ping'/>"


def features(children: object) -> list[str | None]:
    return [each.get("var") or each.get("type") for each in children]  # type: ignore[attr-defined]


def announce(home: Delegating, said: str = ANNOUNCED) -> list[str | None]:
    """Answer what the component is asked, and return the nodes."""
    asked = home.got()
    for each in asked:
        assert (str(each.from_), str(each.to), each.type) == (HERE, ARCHIVE, "get")
        query = f"<query xmlns='{DISCO_INFO}'>{said}</query>" if "::" in str(query_of(each).get("node")) else ""
        home.arrive(f"<iq type='result' id='{each.id}' from='{ARCHIVE}' to='{HERE}'>{query}</iq>")
    return [query_of(each).get("node") for each in asked]


def query_of(stanza: Stanza) -> Element:
    query = stanza.element.first(DISCO_INFO, "query")
    assert query is not None
    return query


def test_the_component_is_asked_when_it_comes_and_its_features_replace_ours() -> None:
    home = Delegating({PUBSUB: (), VCARD: (), DISCO_ITEMS_OF_ACCOUNTS: ()})
    home.domain.meet(ARCHIVE)
    assert home.got() == [], "only when it is attached"
    home.clock.advance(0)
    nodes = [f"{DELEGATION}{between}{namespace}" for namespace in (PUBSUB, VCARD) for between in ("::", ":bare:")]
    assert announce(home) == nodes
    assert features(home.domain.announced(OWN)) == ["urn:xmpp:ping", "pep", f"{PUBSUB}#publish"]
    assert home.got() == []


def test_features_of_accounts_are_those_at_the_other_nodes() -> None:
    home = Delegating({VCARD: ()})
    home.domain.meet(ARCHIVE)
    home.clock.advance(0)
    domains, accounts = home.got()
    said = f"<query xmlns='{DISCO_INFO}'>{ANNOUNCED}<x xmlns='jabber:x:data' type='result'/><y xmlns='urn:y'/></query>"
    home.arrive(f"<iq type='result' id='{accounts.id}' from='{ARCHIVE}' to='{HERE}'>{said}</iq>")
    home.arrive(f"<iq type='error' id='{domains.id}' from='{ARCHIVE}' to='{HERE}'/>")
    phone = home.client("alice", "phone").online()
    phone.say(f"<iq type='get' id='d'><query xmlns='{DISCO_INFO}'/></iq>")
    query = query_of(phone.got[-1])
    assert [each.get("type") for each in query.elements(DISCO_INFO, "identity")] == ["registered", "pep"]
    found = features(query.elements(DISCO_INFO, "feature"))
    assert VCARD not in found
    assert found.count("urn:xmpp:ping") == 1
    assert f"{PUBSUB}#publish" in found
    assert [each.namespace for each in query.elements() if each.namespace != DISCO_INFO] == ["jabber:x:data"]
    assert features(home.domain.announced(OWN)) == ["urn:xmpp:ping"]


def test_what_it_announces_is_asked_again_after_some_time() -> None:
    home = Delegating({PUBSUB: ()})
    assert features(home.domain.announced([])) == [], "not known yet, but asked"
    assert announce(home) == [f"{DELEGATION}::{PUBSUB}"]
    assert "pep" in features(home.domain.announced([]))
    home.clock.advance(ANNOUNCED_SECONDS - 1)
    home.domain.announced([])
    assert home.got() == []
    home.clock.advance(1)
    assert "pep" in features(home.domain.announced([])), "what is known is shown until the new answer comes"
    home.domain.announced([])
    assert announce(home, "<identity category='a' type='new'/>") == [f"{DELEGATION}::{PUBSUB}"]
    assert features(home.domain.announced([])) == ["new"]


def test_one_that_did_not_answer_is_asked_again_soon_but_not_each_time() -> None:
    home = Delegating({PUBSUB: ()})
    for _ in range(3):
        home.domain.announced([])
    assert len(home.got()) == 1
    home.clock.advance(UNANNOUNCED_SECONDS)
    home.domain.announced([])
    assert len(home.got()) == 1


def test_only_the_component_says_what_is_announced() -> None:
    home = Delegating({PUBSUB: ()})
    home.domain.announced([])
    (asked,) = home.got()
    said = f"<query xmlns='{DISCO_INFO}'>{ANNOUNCED}</query>"
    home.arrive(f"<iq type='result' id='{asked.id}' from='{OTHER}' to='{HERE}'>{said}</iq>")
    assert features(home.domain.announced([])) == []


def test_of_a_component_that_is_away_or_has_lost_its_delegation_nothing_is_announced() -> None:
    away = Delegating({VCARD: ()}, is_attached=False)
    assert features(away.domain.announced(OWN)) == ["urn:xmpp:ping"]
    assert away.got() == []
    home = Delegating({PUBSUB: ()})
    home.domain.announced([])
    announce(home)
    home.granted = []
    assert home.domain.announced(OWN) == OWN
    home.granted = [(ARCHIVE, {PUBSUB: ()})]
    assert features(home.domain.announced([])) == [], "it is asked again"


# -- what the component is told ----------------------------------------------------------------------------------------


def test_it_is_told_what_is_delegated() -> None:
    told = told_delegated(HERE, ARCHIVE, {PUBSUB: (), MAM: ("node", "queryid")})
    assert told.element == element(
        f"<message from='{HERE}' to='{ARCHIVE}'><delegation xmlns='{DELEGATION}'><delegated namespace='{PUBSUB}'/>"
        f"<delegated namespace='{MAM}'><attribute name='node'/><attribute name='queryid'/></delegated>"
        "</delegation></message>"
    )
    assert told_delegated(HERE, ARCHIVE, {}).element.first(DELEGATION, "delegation") is not None


def test_one_with_privileges_cannot_tell_others_of_delegations() -> None:
    entities = PrivilegedEntities(granted=lambda: [(OTHER, Privileges(message="outgoing"))])
    home = Home("alice", entities=entities)
    home.arrive(
        f"<message from='{OTHER}' to='{HERE}' id='1'><privilege xmlns='urn:xmpp:privilege:2'>"
        f"<forwarded xmlns='{FORWARD}'>"
        f"<message xmlns='jabber:client' from='{HERE}' to='{ARCHIVE}'><delegation xmlns='{DELEGATION}'/></message>"
        "</forwarded></privilege></message>"
    )
    (answer,) = home.world.got
    assert (str(answer.to), condition(answer)) == (OTHER, "forbidden")
