"""Services: requests that the server answers for an account (RFC 6121 §8.5.2.1.3, RFC 6120 §10.3.3).

They are a table by type, namespace and name of the payload. Each service says who may use it, and what everybody else
gets. An address without an account answers from the same table as an account answers a stranger, so that the answers do
not reveal which accounts exist.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred

from gateway.im.account import Account, Resource
from gateway.im.answer_rates import AnswerRates
from gateway.im.answers import result_for
from gateway.im.delegated import Delegation
from gateway.routing.interfaces import IRouter
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.iqs import check_iq, payload_of
from gateway.xmpp.stanzas import AddressedStanza, SentStanza, Stanza, result_reply


class Audience(Enum):
    """The senders that may use a service."""

    OWNER = auto()  # the account's own clients
    SUBSCRIBERS = auto()  # and those who see its presence
    ANYBODY = auto()


class Answered:
    """Returned by a service that has answered by itself."""


ANSWERED = Answered()


class Request:
    """One request to an account; `resource` is the account's client that makes it, None for anybody else."""

    def __init__(self, account: Account, resource: Resource | None, stanza: SentStanza, router: IRouter) -> None:
        self.account = account
        self.resource = resource
        self.stanza = stanza
        self._router = router
        self.payload = payload_of(stanza)

    @property
    def client(self) -> Resource:
        """The account's own client; StanzaError if the request comes from nobody who has a stream here."""
        if self.resource is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "this service is for the account's own clients")
        return self.resource

    @property
    def sender(self) -> Address:
        """The sender of the request."""
        if self.resource is not None:
            return self.resource.address
        return self.stanza.from_

    def answer(self, payload: Element | None) -> int:
        """Send the result; return its size."""
        reply = result_for(self.account, self.stanza, payload)
        if self.resource is not None:
            self.resource.send(reply)
        else:
            self._router.route(reply)
        return len(reply.raw)


Reply: TypeAlias = Coroutine[Deferred[Any], Any, Element | Answered | None]


@dataclass(frozen=True)
class AccountService:
    """A function that returns the payload of the result, or raises StanzaError; who may use it, and what others get."""

    answer: Callable[[Request], Reply]
    audience: Audience
    refusal: StanzaCondition = StanzaCondition.SERVICE_UNAVAILABLE
    of_nobody: Element | None = None  # the result if there is no account; without it, `refusal` is the answer
    granted: Callable[[Request], bool] = lambda _: False  # whether the sender may use it besides the audience
    may_be_large: bool = False  # so what others get of it is limited by bytes


ServiceKey: TypeAlias = tuple[str, str, str]


class Services:
    """The table of services, and its look-up."""

    def __init__(
        self,
        *,
        router: IRouter,
        store: IStore,
        delegation: Delegation,
        rates: AnswerRates,
        table: Mapping[ServiceKey, AccountService],
    ) -> None:
        self._router = router
        self._rates = rates
        self._delegation = delegation
        self._store = store
        self._table = table

    async def serve(self, account: Account, resource: Resource | None, stanza: SentStanza) -> None:
        """Answer a request to the account; raise StanzaError for the caller to answer with."""
        if (problem := check_iq(stanza)) is not None:
            raise problem
        if self._delegation.takes(stanza, account.address):
            return
        request = Request(account, resource, stanza, self._router)
        service = self._find(stanza, request.payload)
        if not await self._may_use(service, request):
            raise StanzaError(service.refusal)
        if service.may_be_large and resource is None:
            self._rates.check(request.sender)
        payload = await service.answer(request)
        if not isinstance(payload, Answered):
            size = request.answer(payload)
            if service.may_be_large and resource is None:
                self._rates.charge(request.sender, size)

    def serve_for_nobody(self, stanza: AddressedStanza) -> None:
        """Answer a request to an address without an account as any account answers a stranger; raise StanzaError."""
        if (problem := check_iq(stanza)) is not None:
            raise problem
        if self._delegation.takes(stanza, stanza.to):
            return
        payload = payload_of(stanza)
        service = self._find(stanza, payload)
        if service.of_nobody is None:
            raise StanzaError(service.refusal)
        if service.may_be_large:
            self._rates.check(stanza.from_)
        self._router.route(result_reply(stanza, service.of_nobody))

    def _find(self, stanza: Stanza, payload: Element) -> AccountService:
        service = self._table.get((stanza.type or "", payload.namespace, payload.name))
        if service is None:
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
        return service

    async def _may_use(self, service: AccountService, request: Request) -> bool:
        if request.resource is not None or service.audience is Audience.ANYBODY or service.granted(request):
            return True
        if service.audience is Audience.OWNER:
            return request.sender == request.account.address  # only a privileged component sends that
        return await self.may_see(request.account, request.sender)

    async def may_see(self, account: Account, address: Address) -> bool:
        """Return whether the account shows its presence to this address; asks the store while no client is bound."""
        if address.bare == account.address.bare:
            return True
        if account.roster is not None:
            return account.roster.has_subscriber(address)
        relation = await self._store.relation(account.address.bare, address.bare)
        return relation.item is not None and relation.item.subscription in ("from", "both")
