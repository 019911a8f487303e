"""The examples in docs/handlers.md do what the page says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.config.settings import Secret
from gateway.routing.interfaces import ICheckedOptions, IService
from gateway.testing import ServiceDriver, element
from gateway.xmpp.namespaces import COMMANDS, DISCO_ITEMS

PAGE = Path(__file__).parents[2] / "docs" / "handlers.md"


def example(title: str) -> dict[str, Any]:
    """Return what the page's program of this title defines, and the programs that the page's tests use."""
    names: dict[str, Any] = {}
    for each in dict.fromkeys(("greeter.py", "reminder", title)):
        found = re.search(rf"```python\n# {re.escape(each)}\n.*?```", PAGE.read_text(), re.DOTALL)
        assert found is not None, each
        exec(compile(found[0].removeprefix("```python").removesuffix("```"), str(PAGE), "exec"), names)
    return names


def driven(title: str, name: str, **options: Any) -> ServiceDriver:
    driver = ServiceDriver(example(title)[name](**options), "service.example.com")
    assert IService.providedBy(driver.service)
    assert driver.start() == []
    return driver


def bodies(sent: list[Any]) -> list[str | None]:
    return [each.body for each in sent]


def test_the_first_service_has_ten_lines() -> None:
    found = re.search(r"```python\n# greeter.py\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert len([line for line in found[1].splitlines() if line]) <= 10


def test_the_greeter_greets() -> None:
    driver = driven("greeter.py", "Greeter", greeting="Welcome")
    sent = driver.receive("<message from='ann@there.test/x' type='chat' id='1'><body>Hi</body></message>")
    assert bodies(sent) == ["Welcome, ann! You said: Hi"]
    assert str(sent[0].to) == "ann@there.test/x"


def test_the_greeter_declines_the_rest() -> None:
    (sent,) = driven("greeter.py", "Greeter").receive("<iq type='get'><q xmlns='x'/></iq>")
    assert (sent.type, "service-unavailable" in sent.raw.decode()) == ("error", True)


def test_the_form_is_built() -> None:
    assert example("form")["filled"].name == "x"


def test_the_ticker_ticks_until_it_is_stopped() -> None:
    driver = driven("ticker", "Ticker")
    assert bodies(driver.advance(3600)) == ["An hour has passed"]
    assert bodies(driver.stop()) == ["I am leaving"]
    assert not driver.clock.getDelayedCalls()


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ("<iq type='result' id='{}'><query xmlns='jabber:iq:version'><name>Psi</name></query></iq>", "You use Psi"),
        (
            "<iq type='error' id='{}'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
            "Your program does not say what it is: service-unavailable",
        ),
    ],
)
def test_the_curious_one_asks(answer: str, body: str) -> None:
    driver = driven("curious", "Curious")
    (asked,) = driver.receive("<message><body>Hi</body></message>")
    assert bodies(driver.receive(answer.format(asked.id))) == [body]


def test_the_curious_one_does_not_wait_for_ever() -> None:
    driver = driven("curious", "Curious")
    driver.receive("<message><body>Hi</body></message>")
    assert bodies(driver.advance(10)) == ["Your program does not say what it is: remote-server-timeout"]


def test_the_rooms_are_found() -> None:
    (sent,) = driven("rooms", "Rooms").receive(f"<iq type='get'><query xmlns='{DISCO_ITEMS}'/></iq>")
    assert "garden@rooms.example.com" in sent.raw.decode()


def test_the_light_is_switched() -> None:
    form = "<x xmlns='jabber:x:data' type='submit'><field var='room'><value>hall</value></field></x>"
    (sent,) = driven("lights", "Lights").receive(
        f"<iq type='set'><command xmlns='{COMMANDS}' node='switch'>{form}</command></iq>"
    )
    assert "The light in hall is on for 60 minutes" in sent.raw.decode()


def test_the_friend_is_seen() -> None:
    driver = driven("friend", "Friend")
    assert [each.type for each in driver.receive("<presence type='subscribe'/>")] == ["subscribed", None]
    (sent,) = driver.receive("<message><body>Hi</body></message>")
    assert "<status>somebody said something</status>" in sent.raw.decode()


def test_the_reminder_reminds_until_it_is_stopped() -> None:
    example("test of time")["test_the_reminder_reminds"]()
    driver = driven("reminder", "Reminder")
    driver.receive("<message><body>Tea</body></message>")
    driver.stop()
    assert not driver.clock.getDelayedCalls()


def test_the_patient_one_works_in_a_thread() -> None:
    assert len(example("patient")["look_up"]("words")) == 128


@pytest.mark.parametrize(("hours", "number"), [(24, 0), (25, 1), ("many", 1)])
def test_the_careful_one_checks_its_options(hours: Any, number: int) -> None:
    careful = example("careful")["Careful"]
    assert ICheckedOptions.providedBy(careful)
    assert len(list(careful.mistakes(token=Secret("hush"), hours=hours))) == number


def test_the_counter_counts_over_a_restart() -> None:
    driver = driven("counter", "Counter")
    for number in (1, 2, 3):
        assert bodies(driver.receive("<message><body>Hi</body></message>")) == [f"You have said {number} things"]
        driver.stop()
        driver.start()


def test_the_test_passes() -> None:
    names = example("test")
    assert names["element"] is element
    names["test_the_greeter_greets"]()
