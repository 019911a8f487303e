"""Alertmanager's webhook: what people get, and what they do not get twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.error import CannotListenError
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import formatEvent, globalLogPublisher

from gateway.bundled.alerts import MOST_LETTERS, MOST_MESSAGE, MOST_SHOWN, REPEATED_SECONDS, Alerts
from gateway.config.settings import Secret
from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from gateway.testing import ServiceDriver
from gateway.xmpp.errors import ConfigError
from tests.support.http import ask

TOKEN = "a token of some length"
ROMEO = "romeo@far.test"
OPTIONS: dict[str, Any] = {"listen": "tcp:5282:interface=127.0.0.1", "token": Secret(TOKEN), "to": [ROMEO]}
COMMON = {"alertname": "InstanceDown", "job": "node", "severity": "critical"}


def alert(status: str = "firing", *, instance: str = "db1", **changed: Any) -> dict[str, Any]:
    """An alert, as Alertmanager 0.27 writes it."""
    return {
        "status": status,
        "labels": {**COMMON, "instance": instance},
        "annotations": {"summary": f"{instance} is down", "description": f"{instance} has not answered for 5 minutes."},
        "startsAt": "2026-11-28T17:02:03.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z" if status == "firing" else "2026-11-28T17:09:00+00:00",
        "generatorURL": "http://prometheus.test/graph?g0.expr=up+%3D%3D+0",
        "fingerprint": "0123456789abcdef",
        **changed,
    }


def request(*alerts: Any, **changed: Any) -> dict[str, Any]:
    """A request of Alertmanager's webhook."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="InstanceDown"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "xmpp",
        "groupLabels": {"alertname": "InstanceDown"},
        "commonLabels": COMMON,
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.test",
        "alerts": list(alerts),
        **changed,
    }


class Stage:
    """The service, running."""

    def __init__(self, **options: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.reactor.advance(1000)
        self.service = Alerts(**{**OPTIONS, **options})
        self.service._now = self.reactor.seconds
        self.driver = ServiceDriver(self.service, "alerts.test", clock=self.reactor)
        self.driver.start()

    def post(self, said: Any) -> tuple[int, dict[str, Any]]:
        head = f"Authorization: Bearer {TOKEN}\r\n"
        body = json.dumps(said).encode()
        status, _, answer = ask(self.service._intake.site, "/alerts", method="POST", head=head, body=body)
        return status, json.loads(answer)

    def told(self) -> list[tuple[str, str | None]]:
        """Return the messages, by recipient."""
        return [(str(each.to), each.body) for each in self.driver.sent()]


def body_of(*alerts: Any, **changed: Any) -> str:
    stage = Stage()
    assert stage.post(request(*alerts, **changed)) == (200, {"sent": 1})
    ((recipient, body),) = stage.told()
    assert recipient == ROMEO
    return body or ""


def test_a_group_is_told_with_what_it_has_in_common_at_its_head() -> None:
    assert body_of(alert(), alert("resolved", instance="db2")) == (
        "1 FIRING, 1 RESOLVED: InstanceDown (critical)\n"
        "job=node\n"
        "\n"
        "[firing] db1 is down\n"
        "  db1 has not answered for 5 minutes.\n"
        "  instance=db1\n"
        "  since 2026-11-28 17:02 UTC\n"
        "  http://prometheus.test/graph?g0.expr=up+%3D%3D+0\n"
        "\n"
        "[resolved] db2 is down\n"
        "  db2 has not answered for 5 minutes.\n"
        "  instance=db2\n"
        "  from 2026-11-28 17:02 to 17:09 UTC\n"
        "  http://prometheus.test/graph?g0.expr=up+%3D%3D+0\n"
        "\n"
        "http://alertmanager.test"
    )


def test_alerts_of_several_names_are_told_apart() -> None:
    one = alert(labels={"alertname": "DiskFull", "severity": "warning"}, annotations={}, generatorURL="")
    other = alert(labels={"alertname": "NoBackup"}, annotations={}, startsAt="yesterday", generatorURL="")
    assert body_of(one, other, commonLabels={}, externalURL="") == (
        "2 FIRING: several alerts\n\n[firing, warning] DiskFull\n  since 2026-11-28 17:02 UTC\n\n[firing] NoBackup"
    )


def test_an_alert_that_lasted_over_midnight_has_both_dates() -> None:
    ended = alert("resolved", endsAt="2026-11-29T01:00:00+01:00")
    assert "from 2026-11-28 17:02 to 2026-11-29 00:00 UTC" in body_of(ended)


def test_a_large_group_is_cut_and_counted() -> None:
    many = [alert(instance=f"db{number}") for number in range(MOST_SHOWN + 3)]
    body = body_of(*many, truncatedAlerts=4)
    assert body.startswith(f"{MOST_SHOWN + 3} FIRING: ")
    assert "\nand 7 more\n" in body
    assert body.count("[firing]") <= MOST_SHOWN


def test_text_of_any_length_and_kind_is_shown_in_one_line() -> None:
    body = body_of(alert(annotations={"summary": "a\x00b\n\nc \ud800", "description": "x" * 9000}))
    assert "[firing] a\ufffdb c \ufffd\n" in body
    assert f"  {'x' * MOST_LETTERS}...\n" in body
    long = [alert(annotations={"summary": "x" * 900, "description": "y" * 900}) for _ in range(MOST_SHOWN)]
    assert len(body_of(*long)) == MOST_MESSAGE + len(" ...")


def test_a_retry_is_not_told_twice_and_a_reminder_is() -> None:
    stage = Stage()
    assert stage.post(request(alert()))[1] == {"sent": 1}
    stage.driver.stop()
    stage.driver.start()
    assert stage.post(request(alert()))[1] == {"sent": 0, "repeated": True}
    assert stage.post(request(alert("resolved")))[1] == {"sent": 1}
    stage.driver.advance(REPEATED_SECONDS)
    assert stage.post(request(alert()))[1] == {"sent": 1}


def test_a_receiver_may_have_recipients_of_its_own() -> None:
    stage = Stage(receivers={"night": ["ann@near.test", "bob@near.test"]})
    stage.post(request(alert(), receiver="night"))
    assert [recipient for recipient, _ in stage.told()] == ["ann@near.test", "bob@near.test"]
    stage.post(request(alert()))
    assert [recipient for recipient, _ in stage.told()] == [ROMEO]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "there are no alerts in it"),
        ([], "there are no alerts in it"),
        (request(alert(), version="3"), "version '3' of Alertmanager's webhook is not supported, only 4"),
        (request("db1"), "an alert is not an object"),
        (request(alert("maybe")), "the status of an alert is 'maybe'"),
    ],
)
def test_something_else_is_refused_in_plain_words(said: Any, problem: str) -> None:
    stage = Stage()
    status, told = stage.post(said)
    assert (status, problem in told["error"]) == (400, True), told
    assert stage.told() == []


def test_a_receiver_without_recipients_is_named() -> None:
    status, told = Stage(to=[], receivers={"night": [ROMEO]}).post(request(alert()))
    assert (status, told["error"]) == (
        400,
        "nobody is listed for the receiver 'xmpp': add it to `receivers`, or set `to`",
    )


def test_too_many_requests_get_a_status_after_which_alertmanager_tries_again() -> None:
    stage = Stage(per_minute=1)
    stage.post(request(alert()))
    assert stage.post(request(alert("resolved")))[0] == 503


def test_an_alert_that_comes_back_is_logged() -> None:
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    error = "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
    try:
        stage = Stage()
        for sender in (ROMEO, "stranger@far.test"):
            stage.driver.receive(f"<message type='error' from='{sender}' to='alerts.test'>{error}</message>")
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert [str(each["recipient"]) for each in events if "recipient" in each] == [ROMEO]


def test_a_request_that_cannot_be_noted_is_logged_and_told() -> None:
    stage = Stage()
    stage.driver.store = MemoryStore(token=lambda: "1", limits=StoreLimits(service_values=0))
    events: list[Any] = []
    globalLogPublisher.addObserver(events.append)
    try:
        assert stage.post(request(alert())) == (200, {"sent": 1})
    finally:
        globalLogPublisher.removeObserver(events.append)
    assert any("cannot be noted" in formatEvent(event) for event in events)


def test_a_port_that_is_in_use_is_named() -> None:
    stage = Stage()
    stage.driver.stop()

    def listen(port: int, *_: Any, **__: Any) -> Any:
        raise CannotListenError("127.0.0.1", port, OSError("Address already in use"))

    stage.reactor.listenTCP = listen  # type: ignore[method-assign]
    with pytest.raises(ConfigError, match=r"5282.*Address already in use"):
        stage.driver.start()


def test_recipients_see_the_service() -> None:
    stage = Stage(receivers={"night": ["ann@near.test"]})
    kinds = {
        sender: [each.type for each in stage.driver.receive(f"<presence type='subscribe' from='{sender}'/>")]
        for sender in (ROMEO, "ann@near.test", "stranger@far.test")
    }
    assert kinds == {
        ROMEO: ["subscribed", None],
        "ann@near.test": ["subscribed", None],
        "stranger@far.test": ["unsubscribed"],
    }


@pytest.mark.parametrize(
    ("changed", "name", "problem"),
    [
        ({}, "", ""),
        ({"to": [], "receivers": {"night": [ROMEO]}}, "", ""),
        ({"to": []}, "to", "nobody would get any alert"),
        ({"to": ["@"]}, "to", "'@': "),
        ({"to": "romeo@far.test"}, "to", "a list of addresses is needed"),
        ({"receivers": [ROMEO]}, "receivers", "a table is needed"),
        ({"receivers": {"night": []}}, "receivers.night", "a list of addresses is needed"),
        ({"token": Secret("short")}, "token", "too short"),
    ],
)
def test_wrong_options_are_found_before_the_start(changed: dict[str, Any], name: str, problem: str) -> None:
    found = list(Alerts.mistakes(**{**OPTIONS, **changed}))
    assert [each for each, _ in found] == ([name] if name else [])
    assert all(problem in told for _, told in found), found
