"""The command that speaks with another domain in the name of one of ours, for a report on it.

First a ping, which opens the streams both ways; once it is answered, a few more requests at once. None of them changes
anything at the other side. An error that this gateway itself made, because nothing could be delivered, is no answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime

from gateway.filters.questions import Ask
from gateway.net.certificates.certificate_names import shown
from gateway.operations.control.door import Command, CommandRefused
from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.namespaces import DISCO_INFO, PING, STANZA_ERRORS, TIME, VERSION
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

FIRST_SECONDS = 14.0  # for the ping: streams are opened both ways
OTHER_SECONDS = 7.0
LARGE_BYTES = 10_000
"""The size of a stanza that every server has to accept (RFC 6120 §13.12)."""
LARGER_BYTES = 65_536
"""A size that a server may refuse, and then end the stream: it is tried only with its owner's consent."""
_UNKNOWN = "urn:xmpp-gateway:interop:unknown"
_OUR_OWN = ("remote-server-not-found", "remote-server-timeout", "resource-constraint")
_MOST_TOLD = 300  # characters
_LONGEST_STAMP = 40


class Conversation:
    """Asks other domains on behalf of an operator."""

    def __init__(
        self,
        ask: Ask,
        ours: Callable[[str], Address],
        is_ours: Callable[[Domain], bool],
        clock: IReactorTime,
        time_of_day: Callable[[], float],
    ) -> None:
        """`ask` sends a request and has its answer delivered; `ours` returns our address with this resource."""
        self._ask = ask
        self._ours = ours
        self._is_ours = is_ours
        self._clock = clock
        self._time_of_day = time_of_day

    @property
    def actions(self) -> dict[str, Command]:
        """The method of the command, by its name."""
        return {"converse": self.converse}

    def converse(self, domain: str, thorough: str = "") -> Deferred[dict[str, Any]]:
        """Ask a domain some harmless questions; return the answers with the seconds they took.

        `thorough`: the owner of the domain allows a stanza over which the stream may end.
        """
        try:
            name = prepare_domain(domain)
        except MalformedAddress as error:
            raise CommandRefused(f"{domain!r} is not a domain: {error.problem}") from error
        if self._is_ours(name):
            raise CommandRefused(f"{name} is one of our own domains")
        return Deferred.fromCoroutine(self._converse(name, thorough=bool(thorough)))

    async def _converse(self, domain: Domain, *, thorough: bool) -> dict[str, Any]:
        sender = self._ours(f"interop-{secrets.token_hex(6)}")
        first = await self._request("ping", sender, domain, Element(PING, "ping"), FIRST_SECONDS)
        found = [first]
        if first["answer"] in ("result", "error"):
            nobody = f"nobody-{secrets.token_hex(6)}@{domain}"
            others = [
                ("disco", domain, Element(DISCO_INFO, "query")),
                ("version", domain, Element(VERSION, "query")),
                ("time", domain, Element(TIME, "time")),
                ("unknown request", domain, Element(_UNKNOWN, "query")),
                ("unknown user", nobody, Element(_UNKNOWN, "query")),
            ]
            found += await gatherResults([self._asked(sender, *each, OTHER_SECONDS) for each in others])
            found.append(await self._large("large", sender, domain, LARGE_BYTES))
            if thorough and found[-1]["answer"] == "error":
                found.append(await self._large("64 KiB", sender, domain, LARGER_BYTES))
        skew = next((each.pop("skew") for each in found if "skew" in each), None)
        return {"ours": sender.domain, "requests": found, "clock_skew": skew}

    async def _large(self, what: str, sender: Address, domain: Domain, size: int) -> dict[str, Any]:
        """Send a request of exactly this size."""
        bare = len(_request(sender, domain, secrets.token_hex(8), Element(_UNKNOWN, "query", {}, [""])).raw)
        large = Element(_UNKNOWN, "query", {}, ["x" * (size - bare)])
        return await self._request(what, sender, domain, large, OTHER_SECONDS)

    def _asked(self, sender: Address, what: str, to: str, payload: Element, seconds: float) -> Deferred[dict[str, Any]]:
        return Deferred.fromCoroutine(self._request(what, sender, to, payload, seconds))

    async def _request(self, what: str, sender: Address, to: str, payload: Element, seconds: float) -> dict[str, Any]:
        """Return the answer to one request as a record."""
        came: Deferred[AddressedStanza | None] = Deferred()
        began = self._clock.seconds()
        self._ask(_request(sender, to, secrets.token_hex(8), payload), lambda answer: _fire(came, answer))
        patience = self._clock.callLater(seconds, _fire, came, None)
        answer = await came
        if patience.active():
            patience.cancel()
        took = self._clock.seconds() - began
        record: dict[str, Any] = {"what": what, "answer": "silence", "condition": "", "told": "", "seconds": took}
        if answer is None:
            return {**record, "told": f"no answer within {seconds:g} s"}
        if answer.type == "result":
            stamp = self._skew(answer.element, took) if what == "time" else None
            return {**record, "answer": "result", **({"skew": stamp} if stamp is not None else {})}
        condition, text = _error(answer.element)
        if condition in _OUR_OWN:
            return {**record, "condition": condition, "told": text or condition}
        return {**record, "answer": "error", "condition": condition, "told": text}

    def _skew(self, answer: Element, took: float) -> float | None:
        """Return by how many seconds their clock is ahead of ours; None if the answer has no time (XEP-0202)."""
        time = answer.first(TIME, "time")
        stamp = time.first(TIME, "utc") if time is not None else None
        if stamp is None or len(stamp.text) > _LONGEST_STAMP:
            return None
        try:
            theirs = datetime.fromisoformat(stamp.text.strip())
        except ValueError:
            return None
        return theirs.timestamp() - (self._time_of_day() - took / 2) if theirs.tzinfo is not None else None


def _request(sender: Address, to: str, id: str, payload: Element) -> AddressedStanza:
    attributes = {"type": "get", "id": id, "from": sender.full, "to": to}
    return AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [payload]))


def _fire(came: Deferred[AddressedStanza | None], answer: AddressedStanza | None) -> None:
    if not came.called:
        came.callback(answer)


def _error(iq: Element) -> tuple[str, str]:
    """Return the condition and the text of an error."""
    error = iq.first(name="error")
    children = list(error.elements(STANZA_ERRORS)) if error is not None else []
    condition = next((each.name for each in children if each.name != "text"), "undefined-condition")
    text = next((each.text for each in children if each.name == "text"), "")
    return shown(condition), shown(text, _MOST_TOLD)
