"""Webhook: programs send messages by HTTP, and get by HTTP what people answer (docs/services.md).

    POST /messages   {"to": "romeo@example.net", "body": "The build has failed", "id": "build-17"}

A message with an id is sent once, however often it is posted. What people write to an address of the domain, and errors
that come back, are posted to the operator's own program (see `posting`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from zope.interface import provider

from gateway.bundled.accepted import AcceptedIds, digest
from gateway.bundled.intake import BAD_REQUEST, HTTPIntake, IntakeRefused, IntakeRules, reactor_of, read_fields
from gateway.bundled.options import (
    Circle,
    authorities_problems,
    circle_problem,
    is_number,
    port_problems,
    token_problems,
    url_problems,
)
from gateway.bundled.posting import Destination, PostItem, PostQueue, SystemAddresses
from gateway.config.settings import Secret
from gateway.handlers.context import ServiceContext
from gateway.handlers.services import Service
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.trust.fetching import Fetcher
from gateway.routing.interfaces import Declined, ICheckedOptions
from gateway.xmpp.addresses import Address
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import Element, UnserializableText
from gateway.xmpp.errors import MalformedAddress, StanzaError
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import Stanza, error_of_reply

PATH = "/messages"
MOST_RECIPIENTS = 20
"""The most addresses in one request."""
MOST_ID = 128
REMEMBERED_SECONDS = 86_400.0
TYPES = ("chat", "normal", "headline")
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "to": (str, list),
    "body": str,
    "id": str,
    "type": str,
    "from": str,
    "subject": str,
    "thread": str,
}
ACCEPTED = 202
REPEATED = 200
FORBIDDEN = 403
OTHER_CONTENT = 422

_CLIENT = Builder(CLIENT)


@provider(ICheckedOptions)
class Webhook(Service):
    """Messages by HTTP, in both directions."""

    def __init__(
        self,
        *,
        listen: str,
        token: Secret,
        allow: Sequence[str],
        per_minute: float = 600,
        post_to: str = "",
        post_token: Secret | None = None,
        private: bool = False,
        authorities: Path | None = None,
        keep_hours: float = 24,
    ) -> None:
        """`allow` are those to whom programs may write, and whose messages are posted to `post_to`.

        `private` says whether the name in `post_to` may lead to private addresses; `authorities` prove its server.
        """
        self._listen = listen
        self._rules = IntakeRules(path=PATH, token=token.text, per_minute=per_minute)
        self._circle = Circle(allow)
        self._private = private
        self._authorities = authorities
        self._destination = Destination(
            url=post_to, token=post_token.text if post_token is not None else "", keep_seconds=3600 * keep_hours
        )
        self._now: Callable[[], float] = time.time

    @staticmethod
    def mistakes(
        *,
        listen: object,
        token: object,
        allow: object,
        per_minute: object = 600,
        post_to: object = "",
        post_token: object = None,
        private: object = False,
        authorities: Path | None = None,
        keep_hours: object = 24,
    ) -> Iterator[tuple[str, str]]:
        """Yield the options that cannot be used, each with the reason."""
        yield from port_problems(listen, token, per_minute)
        if problem := circle_problem(allow):
            yield "allow", problem
        if not isinstance(private, bool):
            yield "private", "true or false is needed"
        if post_to != "":
            yield from url_problems("post_to", post_to, private=bool(private))
            yield from authorities_problems(authorities)
        yield from token_problems("post_token", post_token)
        if not is_number(keep_hours) or keep_hours <= 0:
            yield "keep_hours", "a number of hours above 0 is needed"

    async def start(self, context: ServiceContext) -> None:
        """Read what waits, then open the port."""
        super().start(context)
        self._accepted = AcceptedIds(context.storage, seconds=REMEMBERED_SECONDS, now=self._now)
        self._posts = self._post_queue(context) if self._destination.url else None
        self._intake = HTTPIntake(self._rules, self._take, reactor_of(context), context.log)
        try:
            await self._accepted.open()
            await self._intake.open(self._listen)
            if self._posts is not None:
                await self._posts.open()
            await context.presence.open()
        except BaseException:
            await self.stop()
            raise

    def _fetcher(self, context: ServiceContext) -> Fetcher:
        authorities = TrustStore.load(self._authorities).authorities
        reactor = reactor_of(context)
        return Fetcher(reactor, SystemAddresses(reactor, private=self._private), lambda: authorities)

    def _post_queue(self, context: ServiceContext) -> PostQueue:
        return PostQueue(
            self._destination,
            self._fetcher(context),
            context.storage,
            clock=context.clock,
            now=self._now,
            log=context.log,
            give_up=self._not_posted,
        )

    async def stop(self) -> None:
        """Close the port, and stop posting."""
        await self._intake.close()
        if self._posts is not None:
            self._posts.close()

    # -- from programs -----------------------------------------------------------------------------------------------

    async def _take(self, said: object, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        fields = read_fields(said, FIELDS)
        id = fields.get("id") or headers.get("idempotency-key") or token_urlsafe(12)
        messages = self._messages(fields, id)
        content = digest(sorted(fields.items(), key=str))
        if (before := self._accepted.digest_of(id)) is not None:
            if before != content:
                raise IntakeRefused(OTHER_CONTENT, f"the id {id!r} was used for another message: choose a new one")
            return REPEATED, {"id": id, "sent": 0, "repeated": True}
        self._accepted.note(id, content)
        for message in messages:
            self.context.send(message)
        if not await self._accepted.keep(id):
            self.context.log.warn("the id of a message cannot be kept: after a restart it may be sent again")
        return ACCEPTED, {"id": id, "sent": len(messages)}

    def _messages(self, fields: Mapping[str, Any], id: str) -> list[Stanza]:
        """Return the messages that are meant; raise IntakeRefused."""
        if len(id) > MOST_ID:
            raise IntakeRefused(BAD_REQUEST, f"id has more than {MOST_ID} characters")
        if not fields.get("body"):
            raise IntakeRefused(BAD_REQUEST, 'a body is needed, such as {"to": "...", "body": "..."}')
        if (kind := fields.get("type", "chat")) not in TYPES:
            raise IntakeRefused(BAD_REQUEST, f"type must be one of {', '.join(TYPES)}")
        content = [_CLIENT(name, fields[name]) for name in ("subject", "body", "thread") if fields.get(name)]
        sender = self._sender(fields.get("from", ""))
        try:
            return [
                Stanza.from_element(_CLIENT.message(*content, to=each, from_=sender, type=kind, id=id))
                for each in self._recipients(fields.get("to", []))
            ]
        except UnserializableText as error:
            raise IntakeRefused(BAD_REQUEST, f"a character cannot be sent: {error}") from None

    def _recipients(self, to: str | list[Any]) -> list[Address]:
        written = [to] if isinstance(to, str) else to
        if not 1 <= len(written) <= MOST_RECIPIENTS:
            raise IntakeRefused(BAD_REQUEST, f"to must have 1 to {MOST_RECIPIENTS} addresses")
        recipients: dict[Address, None] = {}
        for each in written:
            try:
                address = Address.parse(each if isinstance(each, str) else "")
            except MalformedAddress as error:
                raise IntakeRefused(BAD_REQUEST, f"to has {str(each)[:100]!r}, not an address: {error}") from None
            if address not in self._circle:
                raise IntakeRefused(FORBIDDEN, f"{address} is not among the addresses that the option allow lists")
            recipients[address] = None
        return list(recipients)

    def _sender(self, local: str) -> Address:
        try:
            return Address.make(local, self.context.domain, "")
        except MalformedAddress as error:
            raise IntakeRefused(
                BAD_REQUEST, f"from must be the part before the @, and {local[:100]!r} is not one: {error}"
            ) from None

    # -- from people -------------------------------------------------------------------------------------------------

    async def message(self, stanza: Stanza) -> Any:
        """Take a message for the program; refuse it if nobody is to have it, or there is no room."""
        if self._posts is None:
            return Declined()
        if stanza.type == "groupchat":
            return None
        if stanza.from_ not in self._circle:
            return stanza.error("forbidden", "This address takes messages only from people its operator has listed.")
        thread, subject = (stanza.element.first(CLIENT, name) for name in ("thread", "subject"))
        content = {
            "event": "message",
            "type": stanza.type or "normal",
            "subject": _text(subject),
            "body": stanza.body,
            "thread": _text(thread),
            "message": stanza.id,
        }
        try:
            await self._posts.put(self._item(stanza, content))
        except StanzaError as error:
            return stanza.error(error.condition, error.text)
        return None

    async def bounced(self, stanza: Stanza) -> None:
        """Tell the program that a message has come back; `message` is the id under which it was posted."""
        if self._posts is None or stanza.name != "message" or stanza.from_ not in self._circle:
            return
        error = error_of_reply(stanza)
        content = {"event": "error", "message": stanza.id, "condition": str(error.condition), "text": error.text}
        try:
            await self._posts.put(self._item(stanza, content))
        except StanzaError as problem:
            self.context.log.warn(
                "an error from {sender} is not posted: {problem}", sender=stanza.from_, problem=problem
            )

    def presence(self, stanza: Stanza) -> Any:
        """Approve subscriptions of those who are listed; deny others."""
        if stanza.type == "subscribe" and stanza.from_ not in self._circle:
            return self.context.presence.deny(stanza)
        return super().presence(stanza)

    def _item(self, stanza: Stanza, content: Mapping[str, Any]) -> PostItem:
        assert stanza.from_ is not None
        now = self._now()
        said = {name: value for name, value in content.items() if value not in (None, "")}
        when = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        addressed = {"time": when, "from": str(stanza.from_), "to": str(stanza.to), **said}
        return PostItem(id=token_urlsafe(16), accepted=now, sender=stanza.from_.bare, content=addressed)

    def _not_posted(self, item: PostItem, error: StanzaError) -> None:
        """Tell the sender of a message that the program does not take it."""
        if item.content["event"] != "message":
            return
        attributes = {"type": item.content["type"], "from": item.content["from"], "to": item.content["to"]}
        body = _CLIENT.body(item.content["body"])
        original = Stanza.from_element(_CLIENT.message(body, **_written(attributes), id=item.content.get("message")))
        if (answer := original.error(error.condition, error.text)) is not None:
            self.context.send(answer)


def _written(attributes: Mapping[str, str]) -> dict[str, str]:
    return {"from_" if name == "from" else name: value for name, value in attributes.items()}


def _text(element: Element | None) -> str:
    return element.text if element is not None else ""
