"""What a service finds in its context: discovery, commands, storage, presence."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from gateway.handlers import subscribers
from gateway.handlers.adhoc import everybody
from gateway.handlers.context import ServiceContext
from gateway.handlers.services import Service
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
