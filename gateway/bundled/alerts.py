"""Alerts: the reports of Prometheus' Alertmanager, as messages to people (docs/services.md).

    POST /alerts     version 4 of https://prometheus.io/docs/alerting/latest/configuration/#webhook_config

Alertmanager groups alerts, repeats them, and tells when they are over; one request becomes one message to each
recipient, with what the alerts of the group have in common at its head.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from zope.interface import provider

from gateway.bundled.accepted import AcceptedIds, digest
from gateway.bundled.intake import BAD_REQUEST, HTTPIntake, IntakeRefused, IntakeRules, reactor_of
from gateway.bundled.options import addresses_problem, port_problems
from gateway.config.settings import Secret
from gateway.handlers.context import ServiceContext
from gateway.handlers.services import Service
from gateway.routing.interfaces import ICheckedOptions
from gateway.xmpp.addresses import Address
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import writable
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import Stanza

PATH = "/alerts"
VERSION = "4"
REPEATED_SECONDS = 120.0
"""A request that is repeated this soon is a retry of Alertmanager's, and not a reminder."""
MOST_SHOWN = 20
"""The most alerts in one message; further ones are counted."""
MOST_LETTERS = 500
"""The most characters of one value."""
MOST_MESSAGE = 10_000
"""The most characters of one message."""
FIRING = "firing"
RESOLVED = "resolved"
_DONE = 200
_NEVER = "0001-01-01"  # the end of an alert that goes on
_BUSY = 503  # Alertmanager tries again after that, and not after 429

_CLIENT = Builder(CLIENT)


class Alert(NamedTuple):
    """One alert, as far as people are interested."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts: str
    ends: str
    url: str


class AlertGroup(NamedTuple):
    """The alerts of one request."""

    receiver: str
    key: str
    common: Mapping[str, str]  # labels
    alerts: Sequence[Alert]
    url: str  # of Alertmanager
    left_out: int  # by Alertmanager, if there were too many


@provider(ICheckedOptions)
class Alerts(Service):
    """Alertmanager's webhook."""

    def __init__(
        self,
        *,
        listen: str,
        token: Secret,
        to: Sequence[str] = (),
        receivers: Mapping[str, Sequence[str]] | None = None,
        per_minute: float = 600,
    ) -> None:
        """`to` are the recipients; `receivers` are those of single receivers of Alertmanager, by its name there."""
        self._listen = listen
        self._rules = IntakeRules(path=PATH, token=token.text, per_minute=per_minute, too_many=_BUSY)
        self._to = _addresses(to)
        self._receivers = {name: _addresses(each) for name, each in (receivers or {}).items()}
        self._now: Callable[[], float] = time.time

    @staticmethod
    def mistakes(
        *, listen: object, token: object, to: object = (), receivers: object = None, per_minute: object = 600
    ) -> Iterator[tuple[str, str]]:
        """Yield the options that cannot be used, each with the reason."""
        yield from port_problems(listen, token, per_minute)
        if not to and not receivers:
            yield "to", "nobody would get any alert: list the addresses of those who should"
        if to and (problem := addresses_problem(to)):
            yield "to", problem
        if receivers is not None and not isinstance(receivers, Mapping):
            yield "receivers", 'a table is needed, such as { night = ["romeo@example.net"] }'
            return
        for name, each in (receivers or {}).items():
            if problem := addresses_problem(each):
                yield f"receivers.{name}", problem

    async def start(self, context: ServiceContext) -> None:
        """Open the port."""
        super().start(context)
        self._accepted = AcceptedIds(context.storage, seconds=REPEATED_SECONDS, now=self._now)
        self._intake = HTTPIntake(self._rules, self._take, reactor_of(context), context.log)
        try:
            await self._accepted.open()
            await self._intake.open(self._listen)
            await context.presence.open()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Close the port."""
        await self._intake.close()

    def presence(self, stanza: Stanza) -> Any:
        """Approve the subscriptions of recipients; deny others."""
        if stanza.type == "subscribe" and stanza.from_ is not None and stanza.from_.bare not in self._recipients():
            return self.context.presence.deny(stanza)
        return super().presence(stanza)

    def bounced(self, stanza: Stanza) -> None:
        """Log that somebody does not get alerts: an alert that nobody sees is a separate fault."""
        if stanza.name == "message" and stanza.from_ is not None and stanza.from_.bare in self._recipients():
            self.context.log.warn("an alert did not reach {recipient}: it came back", recipient=stanza.from_)

    def _recipients(self) -> set[str]:
        return {each.bare for group in (self._to, *self._receivers.values()) for each in group}

    async def _take(self, said: object, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        group = read_group(said)
        recipients = self._receivers.get(group.receiver, self._to)
        if not recipients:
            problem = f"nobody is listed for the receiver {group.receiver!r}: add it to `receivers`, or set `to`"
            raise IntakeRefused(BAD_REQUEST, problem)
        id = digest(group)
        if self._accepted.digest_of(id) is not None:
            return _DONE, {"sent": 0, "repeated": True}
        self._accepted.note(id, "")
        body = in_words(group)
        for each in recipients:
            message = _CLIENT.message(_CLIENT.body(body), to=each, from_=self.context.domain, type="chat")
            self.context.send(message)
        if not await self._accepted.keep(id):
            self.context.log.warn("a request of Alertmanager cannot be noted: if it is repeated, it is sent again")
        return _DONE, {"sent": len(recipients)}


# -- from Alertmanager -----------------------------------------------------------------------------------------------


def read_group(said: object) -> AlertGroup:
    """Return the alerts in the JSON of Alertmanager's webhook; raise IntakeRefused if it is something else."""
    if not isinstance(said, dict) or not isinstance(said.get("alerts"), list):
        raise IntakeRefused(BAD_REQUEST, "this is not a request of Alertmanager's webhook: there are no alerts in it")
    if str(said.get("version")) != VERSION:
        wrong = f"version {said.get('version')!r} of Alertmanager's webhook is not supported, only {VERSION}"
        raise IntakeRefused(BAD_REQUEST, wrong)
    left_out = said.get("truncatedAlerts")
    return AlertGroup(
        receiver=_text(said.get("receiver")),
        key=_text(said.get("groupKey")),
        common=_table(said.get("commonLabels")),
        alerts=[_alert(each) for each in said["alerts"]],
        url=_text(said.get("externalURL")),
        left_out=left_out if isinstance(left_out, int) else 0,
    )


def _alert(said: object) -> Alert:
    if not isinstance(said, dict):
        raise IntakeRefused(BAD_REQUEST, "an alert is not an object")
    status = said.get("status")
    if status not in (FIRING, RESOLVED):
        raise IntakeRefused(BAD_REQUEST, f"the status of an alert is {status!r}, and not firing or resolved")
    return Alert(
        status=status,
        labels=_table(said.get("labels")),
        annotations=_table(said.get("annotations")),
        starts=_text(said.get("startsAt")),
        ends=_text(said.get("endsAt")),
        url=_text(said.get("generatorURL")),
    )


def _table(said: object) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in said.items()} if isinstance(said, dict) else {}


def _text(said: object) -> str:
    """Return text that can be shown: on one line, without anything that XML cannot hold."""
    return " ".join(writable(said).split()) if isinstance(said, str) else ""


def _addresses(written: Iterable[str]) -> tuple[Address, ...]:
    return tuple(Address.parse(each) for each in written)


# -- for people ------------------------------------------------------------------------------------------------------


def in_words(group: AlertGroup) -> str:
    """Return the message about a group: a title, what all alerts have in common, then each alert."""
    lines = [_title(group), *_common(group)]
    for alert in group.alerts[:MOST_SHOWN]:
        lines += ["", *_about(alert, group.common)]
    if more := len(group.alerts[MOST_SHOWN:]) + group.left_out:
        lines += ["", f"and {more} more"]
    if group.url:
        lines += ["", group.url]
    text = "\n".join(lines)
    return text if len(text) <= MOST_MESSAGE else f"{text[:MOST_MESSAGE]} ..."


def _title(group: AlertGroup) -> str:
    numbers = {status: sum(each.status == status for each in group.alerts) for status in (FIRING, RESOLVED)}
    counts = ", ".join(f"{number} {status}" for status, number in numbers.items() if number) or "no alerts"
    name = group.common.get("alertname") or "several alerts"
    severity = group.common.get("severity")
    return f"{counts.upper()}: {_cut(name)}{f' ({_cut(severity)})' if severity else ''}"


def _common(group: AlertGroup) -> Iterator[str]:
    told = _labels(group.common, without=("alertname", "severity"))
    if told:
        yield told


def _about(alert: Alert, common: Mapping[str, str]) -> Iterator[str]:
    own = {name: value for name, value in alert.labels.items() if common.get(name) != value}
    summary = alert.annotations.get("summary") or own.get("alertname") or alert.annotations.get("description") or ""
    severity = own.get("severity")
    mark = f"{alert.status}{f', {_cut(severity)}' if severity else ''}"
    yield f"[{mark}] {_cut(summary) or _labels(alert.labels, without=()) or 'an alert without a summary'}"
    description = alert.annotations.get("description")
    if description and description != summary:
        yield f"  {_cut(description)}"
    if told := _labels(own, without=("alertname", "severity")):
        yield f"  {told}"
    if when := _when(alert):
        yield f"  {when}"
    for link in (alert.annotations.get("runbook_url"), alert.url):
        if link:
            yield f"  {_cut(link)}"


def _labels(labels: Mapping[str, str], *, without: Sequence[str]) -> str:
    return _cut(", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name not in without))


def _when(alert: Alert) -> str:
    begins, ends = _time(alert.starts), _time(alert.ends)
    if begins is None:
        return ""
    if alert.status == FIRING or ends is None:
        return f"since {begins:%Y-%m-%d %H:%M} UTC"
    return f"from {begins:%Y-%m-%d %H:%M} to {ends:{'%H:%M' if ends.date() == begins.date() else '%Y-%m-%d %H:%M'}} UTC"


def _time(text: str) -> datetime | None:
    """Return a time of RFC 3339, which Go writes with nine digits of a second; None if there is none."""
    if not text or text.startswith(_NEVER):
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _cut(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]}..."
