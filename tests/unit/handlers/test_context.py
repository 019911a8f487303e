"""What a service finds in its context: discovery, commands, storage, presence."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from twisted.internet.defer import Deferred

from gateway.handlers import context as handlers_context
from gateway.handlers import subscribers
from gateway.handlers.adhoc import everybody
from gateway.handlers.context import ServiceContext, ServiceSurroundings
from gateway.handlers.services import Service
from gateway.handlers.storing import ServiceStorage
from gateway.storage.errors import StoreFull, StoreUnavailable
from gateway.testing import SOMEBODY, ServiceDriver, element, outcome
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import COMMANDS, DATA_FORMS, DISCO_INFO, DISCO_ITEMS
from gateway.xmpp.stanzas import Stanza, error_of_reply

ADMIN = "admin@example.net"


class Plain(Service):
    """Has nothing but its context."""


def driven(service: Service | None = None) -> tuple[ServiceDriver, ServiceContext]:
    service = service or Plain()
    driver = ServiceDriver(service, "service.test", admins=[ADMIN])
    driver.start()
    return driver, service.context


def asked(driver: ServiceDriver, namespace: str, node: str = "", sender: str = SOMEBODY) -> Element:
    """Return what is in the answer to a discovery request."""
    at = f" node='{node}'" if node else ""
    (sent,) = driver.receive(f"<iq type='get' from='{sender}'><query xmlns='{namespace}'{at}/></iq>")
    child = sent.element.first()
    assert child is not None
    return child


def refusal(sent: list[Stanza]) -> str:
    (only,) = sent
    assert only.type == "error"
    return str(error_of_reply(only))


# Requests.


PING = "<iq type='get' to='ann@far.test/x'{}><ping xmlns='urn:xmpp:ping'/></iq>"


def test_only_requests_can_be_asked_and_each_id_once() -> None:
    _, context = driven()
    with pytest.raises(Misuse, match="not message of type None"):
        context.request(element("<message to='ann@far.test'/>"))
    asked = context.request(element(PING.format(" id='7'")))
    with pytest.raises(Misuse, match="with the id 7 is still open"):
        context.request(element(PING.format(" id='7'")))
    asked.addErrback(lambda _: None).cancel()
    context.request(element(PING.format(" id='7'"))).addErrback(lambda _: None)


def test_requests_without_an_answer_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers_context, "MOST_ASKED", 2)
    driver, context = driven()
    for _ in range(2):
        context.request(element(PING.format(""))).addErrback(lambda _: None)
    with pytest.raises(StanzaError, match="2 requests of service"):
        outcome(context.request(element(PING.format(""))))
    driver.advance(handlers_context.REQUEST_SECONDS)
    context.request(element(PING.format(""))).addErrback(lambda _: None)
    assert len(driver.sent()) == 1


def test_a_request_that_may_not_be_sent_is_not_waited_for() -> None:
    driver, context = driven()
    with pytest.raises(Misuse, match="must not send"):
        context.request(element(PING.format(" from='other.test'")))
    assert not driver.clock.getDelayedCalls()


# Discovery.


def test_a_directory_shows_what_it_has_now() -> None:
    driver, context = driven()
    context.disco.identity("conference", "text", "Rooms")
    context.disco.feature("urn:x")
    context.disco.item("room@service.test", name="Room")
    info = asked(driver, DISCO_INFO)
    assert [each.get("category") for each in info.elements(name="identity")] == ["conference"]
    assert "urn:x" in {each.get("var") for each in info.elements(name="feature")}
    items = asked(driver, DISCO_ITEMS)
    assert items == element(f"<query xmlns='{DISCO_ITEMS}'><item jid='room@service.test' name='Room'/></query>")


def test_a_directory_is_empty_when_the_service_comes_back() -> None:
    driver, context = driven()
    context.disco.feature("urn:x")
    driver.stop()
    driver.start()
    assert "urn:x" not in {each.get("var") for each in asked(driver, DISCO_INFO).elements(name="feature")}


def test_a_node_that_is_not_there_is_not_found() -> None:
    driver, _ = driven()
    sent = driver.receive(f"<iq type='get'><query xmlns='{DISCO_INFO}' node='x'/></iq>")
    assert "item-not-found" in refusal(sent)


# Commands.


def greet(
    caller: Address,
    name: str,
    times: int = 1,
    loud: bool = False,
    language: Literal["en", "de"] = "en",
    lines: list[str] = [],  # noqa: B006
) -> str:
    said = f"{'Hallo' if language == 'de' else 'Hello'} {name}" * times
    return f"{said.upper() if loud else said} {'/'.join(lines)} from {caller.local}".replace("  ", " ")


def command(node: str, payload: str = "", action: str = "execute", sender: str = SOMEBODY) -> str:
    return (
        f"<iq type='set' from='{sender}'>"
        f"<command xmlns='{COMMANDS}' node='{node}' action='{action}'>{payload}</command></iq>"
    )


def filled(**values: Any) -> str:
    fields = "".join(
        f"<field var='{name}'>{''.join(f'<value>{each}</value>' for each in several)}</field>"
        for name, several in ((name, [value] if isinstance(value, str) else value) for name, value in values.items())
    )
    return f"<x xmlns='{DATA_FORMS}' type='submit'>{fields}</x>"


def offering(function: Any = greet, **how: Any) -> ServiceDriver:
    driver, context = driven()
    context.commands.add("Greet somebody", function, **{"allow": everybody, **how})
    return driver


def answered(sent: list[Stanza]) -> tuple[str | None, str]:
    """The status of a command's answer, and its note."""
    (only,) = sent
    child = only.element.first(COMMANDS, "command")
    assert child is not None, only.raw
    note = child.first(name="note")
    return child.get("status"), note.text if note is not None else ""


def test_a_command_shows_a_form_of_its_arguments() -> None:
    (sent,) = offering().receive(command("greet"))
    child = sent.element.first(COMMANDS, "command")
    assert child is not None
    assert child.get("status") == "executing"
    form = child.first(DATA_FORMS, "x")
    assert form is not None
    fields = {each.get("var"): each for each in form.elements(name="field")}
    assert {name: each.get("type") for name, each in fields.items()} == {
        "name": "text-single",
        "times": "text-single",
        "loud": "boolean",
        "language": "list-single",
        "lines": "text-multi",
    }
    assert [name for name, each in fields.items() if each.first(name="required")] == ["name"]
    assert [each.text for each in fields["loud"].elements(name="value")] == ["0"]
    assert len(list(fields["language"].elements(name="option"))) == 2


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"name": "Ann"}, "Hello Ann from somebody"),
        ({"name": "Ann", "times": "2", "loud": "1"}, "HELLO ANNHELLO ANN from somebody"),
        ({"name": "Ann", "times": "", "language": "de", "lines": ["a", "b"]}, "Hallo Ann a/b from somebody"),
    ],
)
def test_a_filled_in_form_is_a_call(values: dict[str, Any], said: str) -> None:
    assert answered(offering().receive(command("greet", filled(**values), "complete"))) == ("completed", said)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "name is missing"),
        ({"name": "Ann", "times": "many"}, "times must not be 'many'"),
        ({"name": "Ann", "loud": "perhaps"}, "loud must not be 'perhaps'"),
        ({"name": "Ann", "language": "fr"}, "language must not be 'fr'"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(values: dict[str, Any], why: str) -> None:
    assert refusal(offering().receive(command("greet", filled(**values)))) == f"bad-request: {why}"


def test_a_cancelled_command_does_nothing() -> None:
    assert answered(offering().receive(command("greet", action="cancel"))) == ("canceled", "")


def test_a_command_may_take_its_time_and_may_fail() -> None:
    async def ping(caller: Address) -> str:
        raise StanzaError(StanzaCondition.NOT_ALLOWED, "not today")

    def count(caller: Address) -> None:
        raise ValueError("too many")

    assert refusal(offering(ping).receive(command("ping"))) == "not-allowed: not today"
    assert refusal(offering(count).receive(command("count"))) == "bad-request: too many"


def test_a_command_is_for_admins_unless_it_says_otherwise() -> None:
    driver = offering(allow=None)
    assert "forbidden" in refusal(driver.receive(command("greet")))
    assert answered(driver.receive(command("greet", sender=f"{ADMIN}/x")))[0] == "executing"
    listed = [len(list(asked(driver, DISCO_ITEMS, COMMANDS, each).elements())) for each in (SOMEBODY, ADMIN)]
    assert listed == [0, 1]


def test_a_command_is_found_by_discovery() -> None:
    driver = offering()
    assert COMMANDS in {each.get("var") for each in asked(driver, DISCO_INFO).elements(name="feature")}
    (item,) = asked(driver, DISCO_ITEMS, COMMANDS).elements()
    assert (item.get("jid"), item.get("node"), item.get("name")) == ("service.test", "greet", "Greet somebody")
    (identity,) = asked(driver, DISCO_INFO, "greet").elements(name="identity")
    assert identity.get("type") == "command-node"


def test_a_command_that_is_not_there_is_not_found() -> None:
    assert "item-not-found" in refusal(offering().receive(command("other")))
    driver, _ = driven()
    assert "service-unavailable" in refusal(driver.receive(command("other")))


def test_an_address_is_read_and_a_wrong_one_is_refused() -> None:
    def block(caller: Address, whom: Address) -> str:
        return f"{whom.domain} is blocked"

    driver = offering(block)
    assert answered(driver.receive(command("block", filled(whom="Eve@Far.test")))) == (
        "completed",
        "far.test is blocked",
    )
    assert refusal(driver.receive(command("block", filled(whom="@")))) == "bad-request: whom must not be '@'"


@pytest.mark.parametrize(("said", "names"), [(None, []), (Element("urn:x", "found"), ["found"])])
def test_a_command_may_return_an_element_or_nothing(said: Element | None, names: list[str]) -> None:
    def find(caller: Address) -> Element | None:
        return said

    (sent,) = offering(find).receive(command("find"))
    child = sent.element.first(COMMANDS, "command")
    assert child is not None
    assert child.get("status") == "completed"
    assert [each.name for each in child.elements()] == names


def test_two_commands_of_one_name_are_a_mistake() -> None:
    _, context = driven()
    context.commands.add("Greet", greet)
    with pytest.raises(Misuse, match="two commands greet"):
        context.commands.add("Greet again", greet)


def test_what_is_no_command_is_declined() -> None:
    assert "service-unavailable" in refusal(offering().receive("<iq type='set'><x xmlns='urn:x'/></iq>"))


def test_an_argument_that_cannot_be_a_field_is_a_mistake() -> None:
    def wrong(caller: Address, when: complex) -> None:
        pass

    with pytest.raises(Misuse, match="argument when of the command wrong"):
        offering(wrong)


# Storage.


def test_what_is_stored_is_there_after_a_restart() -> None:
    driver, context = driven()
    outcome(context.storage.set("a/1", {"x": [1, "ü"]}))
    outcome(context.storage.set("b", None))
    driver.stop()
    driver.start()
    storage = driver.service.context.storage  # type: ignore[attr-defined]
    assert outcome(storage.get("a/1")) == {"x": [1, "ü"]}
    assert outcome(storage.items("a/")) == {"a/1": {"x": [1, "ü"]}}
    outcome(storage.delete("a/1"))
    assert outcome(storage.get("a/1", "nothing")) == "nothing"


def test_a_store_that_is_full_or_closed_says_so() -> None:
    driver, context = driven()
    with pytest.raises(StoreFull, match="a service may have"):
        outcome(context.storage.set("a", "x" * 100_000))
    outcome(driver.store.close())
    with pytest.raises(StoreUnavailable):
        outcome(context.storage.get("a"))


def test_before_the_store_is_open_nothing_can_be_kept() -> None:
    storage = ServiceStorage("service.test", ServiceSurroundings().store)
    with pytest.raises(StoreUnavailable, match="not open yet"):
        outcome(storage.set("a", 1))


# Presence.


class Present(Plain):
    """Is there for those who want to see it."""

    async def start(self, context: ServiceContext) -> None:
        super().start(context)
        await context.presence.open("ready")


def spoken(sent: list[Stanza]) -> list[tuple[str | None, str, str]]:
    return [(each.type, str(each.from_), str(each.to)) for each in sent]


SUBSCRIBE = "<presence type='subscribe' from='ann@example.net' to='bot@service.test'/>"


def test_a_subscriber_sees_the_service_until_it_stops_and_when_it_is_back() -> None:
    driver, _ = driven(Present())
    pair = ("bot@service.test", "ann@example.net")
    sent = driver.receive(SUBSCRIBE)
    assert spoken(sent) == [("subscribed", *pair), (None, *pair)]
    assert "<status>ready</status>" in sent[1].raw.decode()
    assert spoken(driver.receive(SUBSCRIBE.replace("subscribe'", "probe'"))) == [(None, *pair)]
    assert spoken(driver.stop()) == [("unavailable", *pair)]
    assert spoken(driver.start()) == [(None, *pair)]
    assert spoken(driver.receive(SUBSCRIBE.replace("subscribe'", "unsubscribe'"))) == [("unavailable", *pair)]
    assert spoken(driver.stop()) == []
    assert driver.start() == []


def test_a_stranger_who_probes_learns_that_it_has_no_subscription() -> None:
    driver, _ = driven(Present())
    pair = ("bot@service.test", "ann@example.net")
    assert spoken(driver.receive(SUBSCRIBE.replace("subscribe'", "probe'"))) == [("unsubscribed", *pair)]


def test_a_service_may_deny() -> None:
    class Shy(Present):
        def presence(self, stanza: Stanza) -> Any:
            return self.context.presence.deny(stanza)

    driver, context = driven(Shy())
    assert spoken(driver.receive(SUBSCRIBE)) == [("unsubscribed", "bot@service.test", "ann@example.net")]
    assert list(context.presence) == []


def test_a_stranger_who_is_denied_costs_no_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shy(Present):
        def presence(self, stanza: Stanza) -> Any:
            return self.context.presence.deny(stanza)

    driver, _ = driven(Shy())
    writes: list[Any] = []
    monkeypatch.setattr(driver.store, "set_value", lambda *written: writes.append(written))
    assert [each.type for each in driver.receive(SUBSCRIBE)] == ["unsubscribed"]
    assert writes == []


def test_a_service_may_end_a_subscription() -> None:
    class Fickle(Present):
        def presence(self, stanza: Stanza) -> Any:
            presence = self.context.presence
            return presence.deny(stanza) if list(presence) else presence.approve(stanza)

    driver, context = driven(Fickle())
    driver.receive(SUBSCRIBE)
    assert [each.type for each in driver.receive(SUBSCRIBE)] == ["unsubscribed"]
    assert list(context.presence) == []
    driver.stop()
    assert driver.start() == []


def test_who_cannot_be_noted_is_not_a_subscriber() -> None:
    driver, context = driven(Present())
    outcome(driver.store.close())
    assert "subscribed" not in [each.type for each in driver.receive(SUBSCRIBE)]
    assert list(context.presence) == []
    assert driver.stop() == []


def test_to_open_the_presence_again_changes_what_is_shown_and_counts_nobody_twice() -> None:
    driver, context = driven(Present())
    driver.receive(SUBSCRIBE)
    outcome(Deferred.fromCoroutine(context.presence.open("busy")))
    (sent,) = driver.sent()
    assert "<status>busy</status>" in sent.raw.decode()
    driver.receive(SUBSCRIBE.replace("subscribe'", "unsubscribe'"))
    assert context.presence._of_family == {}


def test_other_presence_is_ignored_and_other_stanzas_are_a_mistake() -> None:
    driver, context = driven(Present())
    assert driver.receive(SUBSCRIBE.replace("subscribe'", "unsubscribe'")) == []
    with pytest.raises(Misuse, match="a matter of presence"):
        context.presence.deny(Stanza.from_element(element("<message from='ann@example.net' to='service.test'/>")))


def test_subscribers_are_bounded_and_one_domain_cannot_fill_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "MOST_SUBSCRIBERS", 3)
    monkeypatch.setattr(subscribers, "MOST_OF_A_DOMAIN", 1)
    driver, context = driven(Present())
    for name, domain in (("ann", "a"), ("bob", "other.a"), ("cat", "b"), ("dan", "c"), ("eve", "d")):
        sent = driver.receive(f"<presence type='subscribe' from='{name}@{domain}.test'/>")
        assert [each.type for each in sent] == (["error"] if name in ("bob", "eve") else ["subscribed", None])
    assert [each.full for each in context.presence] == ["ann@a.test", "cat@b.test", "dan@c.test"]


def test_a_service_that_has_not_opened_its_presence_sends_none() -> None:
    driver, _ = driven()
    assert driver.receive(SUBSCRIBE) == []
    assert driver.stop() == []
