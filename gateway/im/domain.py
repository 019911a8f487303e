"""AccountDomain: a domain with accounts, as a route, and as the place where clients' streams are bound.

There are three ways in: `deliver` for stanzas to an account, `from_client` for stanzas from a bound client, and `bind`
and `unbind` for clients that come and go. Each account has its queue (see `work`), so all of this happens in order;
what needs nothing from the store happens before the call returns. Written stanzas wait for `flush`.

Stanzas to the domain itself are not for an account: another route takes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.im.account import Account, Resource
from gateway.im.accounts import Accounts
from gateway.im.answers import refuse
from gateway.im.assembly import assemble
from gateway.im.blocking import Blocked
from gateway.im.delegated import Delegates, Delegation
from gateway.im.delivery import FOR_THE_PRESENT
from gateway.im.failures import explain
from gateway.im.interfaces import IBoundClient
from gateway.im.kept import KeptMessage
from gateway.im.limits import AccountLimits
from gateway.im.privileged import PrivilegedEntities
from gateway.im.throttle import Throttle
from gateway.im.work import AccountJob, Later, WorkQueue
from gateway.routing.interfaces import IRoute, IRouter
from gateway.storage.errors import NoSuchAccount
from gateway.storage.interfaces import IStore
from gateway.stream.stanza_reader import AddressLookup
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError, StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza


@implementer(IRoute)
class AccountDomain:
    """All accounts of one domain."""

    def __init__(
        self,
        *,
        domain: Domain,
        router: IRouter,
        store: IStore,
        itself: IRoute,
        clock: IReactorTime,
        tokens: Callable[[], str],
        addresses: AddressLookup,
        limits: AccountLimits,
        entities: PrivilegedEntities | None = None,
        delegates: Delegates | None = None,
    ) -> None:
        """`itself` is the route for the domain's own address; `tokens` returns strings that nobody can guess;
        `entities` are the components that may act for the accounts; `delegates` those that answer for the domain.
        """
        self._domain = domain
        self._router = router
        self._itself = itself
        self._clock = clock
        self._tokens = tokens
        self._limits = limits
        self._unflushed: dict[IBoundClient, None] = {}
        self._accounts = Accounts(domain, store, limits, self._resumed)
        self._delegation = Delegation(
            delegates=delegates or Delegates(), domain=domain, router=router, clock=clock, tokens=tokens
        )
        parts = assemble(
            domain=domain,
            router=router,
            store=store,
            now=clock.seconds,
            tokens=tokens,
            addresses=addresses,
            limits=limits,
            later=self._take_later,
            entities=entities or PrivilegedEntities(),
            delegation=self._delegation,
        )
        self._privileged = parts.privileged
        self._presences, self._offline = parts.presences, parts.offline
        self._inbound, self._outbound = parts.inbound, parts.outbound

    # Stanzas to accounts

    def deliver(self, stanza: AddressedStanza) -> None:
        """Take a stanza to an account."""
        local = stanza.to.local
        if not local:
            if not self._is_for_account(stanza) and not self._is_delegated(stanza):
                self._itself.deliver(stanza)
            return
        account = self._accounts.get(local)
        if account is None:
            if self._ends_before_it_begins(stanza):
                return
            account = self._accounts.open(local)
        account.work.run(stanza, self._receive, self._undelivered, account, stanza)
        if not account.resources:
            self._accounts.forget_if_idle(account)

    def _is_for_account(self, stanza: AddressedStanza) -> bool:
        """Send what a privileged component has wrapped in a message to the domain; return whether it was that."""
        try:
            message = self._privileged.wrapped_message(stanza)
        except StanzaError as error:
            self._router.bounce(stanza, error)
            return True
        if message is None:
            return False
        if not message.from_.local:
            self._router.route(message)
            return True
        local = message.from_.local
        account = self._accounts.get(local) or self._accounts.open(local)
        account.work.run(stanza, self._send_wrapped, self._wrapped_unsent, account, message, stanza)
        self._accounts.forget_if_idle(account)
        return True

    def _is_delegated(self, stanza: AddressedStanza) -> bool:
        return stanza.is_request and stanza.to.is_domain and self._delegation.takes(stanza, stanza.to)

    def announced(self, own: Sequence[Element]) -> Sequence[Element]:
        """Return what discovery of the domain shows: `own`, changed by what is delegated."""
        return self._delegation.announced(own)

    def _send_wrapped(self, account: Account, message: AddressedStanza, stanza: AddressedStanza) -> Later:
        return self._privileged.send(account, message)

    def _wrapped_unsent(
        self, account: Account, message: AddressedStanza, stanza: AddressedStanza, failure: Failure
    ) -> None:
        self._router.bounce(stanza, explain(failure))

    def introduction(self, component: Domain) -> list[AddressedStanza]:
        """Return the presence that a component with privileges gets when it is attached."""
        return self._privileged.introduction(Address.make("", component, ""), [*self._accounts.in_memory()])

    def meet(self, component: Domain) -> None:
        """Ask a component to which something is delegated what it announces, once it is attached."""
        self._delegation.meet(component)

    def _ends_before_it_begins(self, stanza: AddressedStanza) -> bool:
        """Drop stanzas that have no effect while the account is offline, whether it exists or not.

        That includes a probe from an account here (RFC 6121 §4.3.2): that account already takes the other to be
        unavailable, so the store need not be asked about every contact of everybody who comes online.
        """
        if stanza.name == "presence":
            if stanza.type == "probe":
                return stanza.from_.domain == self._domain
            if self._privileged.entities.any_sees_contacts:
                return False
        return (stanza.name, stanza.type) in FOR_THE_PRESENT

    def _receive(self, account: Account, stanza: AddressedStanza) -> Later:
        if account.exists:
            return self._inbound.receive(account, stanza)
        if account.exists is None:
            raise StanzaError(
                StanzaCondition.INTERNAL_SERVER_ERROR, "accounts cannot be looked up now", error_type="wait"
            )
        self._inbound.receive_for_nobody(stanza)
        return None

    def _undelivered(self, account: Account, stanza: AddressedStanza, failure: Failure) -> None:
        if failure.check(NoSuchAccount):
            self._vanished(account)
            self._inbound.receive_for_nobody(stanza)
        else:
            self._router.bounce(stanza, explain(failure))

    # Clients

    def bind(self, account: Address, session: IBoundClient, resource: str | None = None) -> Resource:
        """Bind a client's stream to a resource of an account that it has proved to be its own (RFC 6120 §7).

        The resource gets the name that the client asks for. If it asks for none, or for one that is taken, the name is
        random (§7.6.1, §7.7.2.2). Its stanzas are accepted at once; if the store turns out not to know the account, the
        session is closed.
        """
        owner = self._accounts.get(account.local) or self._accounts.open(account.local)
        if len(owner.resources) >= self._limits.resources:
            limit = self._limits.resources
            raise StanzaError(
                StanzaCondition.RESOURCE_CONSTRAINT, f"an account may have at most {limit} resources at once"
            )
        address = self._free_address(owner, resource)
        throttle = Throttle(self._clock, self._limits.presence_burst, self._limits.presence_seconds)
        bound = Resource(owner, address, session, self._unflushed, throttle)
        owner.resources[address.resource] = bound
        self._accounts.go_online(owner, partial(self._unusable, owner))
        return bound

    def _free_address(self, account: Account, wish: str | None) -> Address:
        try:
            address = account.address.with_resource(wish or self._tokens())
        except MalformedAddress as error:
            raise StanzaError(StanzaCondition.BAD_REQUEST, error.problem) from error
        while address.resource in account.resources:
            address = account.address.with_resource(self._tokens())
        return address

    def from_client(self, resource: Resource, stanza: Stanza) -> None:
        """Take a stanza from a bound client; the caller calls `settle` after the last one of a batch."""
        resource.account.work.run_own(stanza, self._send, self._unsent, resource, stanza)

    def answered(self, resource: Resource, asked: Address | None) -> Deferred[None] | None:
        """Return None if nothing that concerns a question of this client waits for the store, else a Deferred that
        fires when what the client's account has sent until now is done, or has reached the account that was asked.
        """
        work = self._work_for(resource, asked)
        return None if work is None else work.mark(resource.account.address)

    def is_answered_later(self, resource: Resource, asked: Address | None) -> bool:
        """Return whether a question that the client has just sent waits for the store."""
        return self._work_for(resource, asked) is not None

    def _work_for(self, resource: Resource, asked: Address | None) -> WorkQueue | None:
        """Return the queue in which a question waits: that of the client's account, then that of the asked one."""
        if not resource.account.work.is_idle:
            return resource.account.work
        if asked is None or asked.domain != self._domain:
            return None
        account = self._accounts.get(asked.local)
        return account.work if account is not None and not account.work.is_idle else None

    def _send(self, resource: Resource, stanza: Stanza) -> Later:
        return self._outbound.send(resource, stanza) if resource.account.exists else None

    def _unsent(self, resource: Resource, stanza: Stanza, failure: Failure) -> None:
        if isinstance(failure.value, StreamError):
            resource.session.close(failure.value)
        elif failure.check(NoSuchAccount):
            self._vanished(resource.account)
        else:
            detail = Blocked.detail if failure.check(Blocked) else None
            refuse(resource, stanza, explain(failure), detail=detail)

    def unbind(self, resource: Resource, unread: Sequence[AddressedStanza] = ()) -> None:
        """Unbind a client that is gone, whether it said so or not; `unread` are stanzas that it never received."""
        account = resource.account
        if account.resources.pop(resource.address.resource, None) is None:
            return
        resource.is_bound = False
        account.presence_changed()
        account.work.insist(partial(self._leave, resource), partial(self._failed, account))
        kept = [stanza for stanza in unread if isinstance(stanza, KeptMessage)]
        if kept:
            account.work.insist(partial(self._offline.give_back, account, kept), partial(self._failed, account))
        for stanza in unread:
            if not isinstance(stanza, KeptMessage):
                self._unread(account, stanza)
        self._accounts.forget_if_idle(account)

    def _unread(self, account: Account, stanza: AddressedStanza) -> None:
        """Take back a stanza that a client never received."""
        account.work.insist(self._inbound.return_unread, self._undelivered, account, stanza)

    def taken(self, resource: Resource, messages: Sequence[KeptMessage]) -> None:
        """Note that the client has these messages, as far as that can be known, so the store need not keep them.

        The store deletes them at once. The client's next stanza waits for that, so its answer tells the client that
        these messages will not come again.
        """
        account, forgotten = resource.account, self._offline.taken(resource.account, messages)
        if not forgotten.called:
            account.work.insist(partial(_wait_for, forgotten), partial(self._failed, account))

    def _leave(self, resource: Resource) -> Later:
        self._presences.leave(resource)
        return None

    def answer_waiting(self) -> None:
        """Answer the requests that wait for a component, because the gateway shuts down."""
        self._delegation.stop()

    def online(self) -> list[str]:
        """Return the accounts with an available client."""
        return [each.address.bare for each in self._accounts.in_memory() if next(each.available(), None) is not None]

    def close_account(self, account: Address, error: StreamError) -> int:
        """Close every stream of an account that was deleted or has a new password; return how many there were."""
        found = self._accounts.get(account.local)
        resources = tuple(found.resources.values()) if found is not None else ()
        for resource in resources:
            resource.session.close(error)
        return len(resources)

    # Time

    def settle(self) -> Deferred[None] | None:
        """Write everything that clients' stanzas have caused, here and elsewhere; return a Deferred if the client
        should wait.
        """
        return _all((self._router.flush(), *self._write(), self._accounts.backlog.own.pause()))

    def cleared(self, account: Address | None = None) -> Deferred[None] | None:
        """Return None if all work for the accounts here is done, or all that an account has caused, else a Deferred
        that fires when it is.
        """
        return self._accounts.backlog.cleared(account)

    def flush(self) -> Deferred[None] | None:
        """Flush every client that got something; return as `IRoute.flush` does, also if too much waits for the store
        and what was delivered now waits as well.
        """
        return _all((*self._write(), self._accounts.backlog.others.pause()))

    def _write(self) -> list[Deferred[None] | None]:
        unflushed = tuple(self._unflushed)
        self._unflushed.clear()
        return [*[session.flush() for session in unflushed], self._itself.flush()]

    def _take_later(self, resource: Resource, step: AccountJob) -> None:
        """Take a step that a timer has started."""
        resource.account.work.insist(step, partial(self._failed, resource.account))
        self.settle()

    def _resumed(self, account: Account) -> None:
        self._accounts.forget_if_idle(account)
        self.settle()

    # Failures that have no stanza to answer

    def _failed(self, account: Account, failure: Failure) -> None:
        if failure.check(NoSuchAccount):
            self._vanished(account)
        else:
            explain(failure)

    def _unusable(self, account: Account, failure: Failure) -> None:
        """Close the sessions of an account that the store could not read."""
        if failure.check(NoSuchAccount):
            self._vanished(account)
        else:
            self.close_account(account.address, StreamError(StreamCondition.INTERNAL_SERVER_ERROR))

    def _vanished(self, account: Account) -> None:
        """Close the sessions of an account that was deleted meanwhile."""
        account.exists = False
        self.close_account(account.address, StreamError(StreamCondition.NOT_AUTHORIZED, "there is no such account"))


async def _wait_for(done: Deferred[None]) -> None:
    await done


def _all(waits: Sequence[Deferred[None] | None]) -> Deferred[None] | None:
    pending = [wait for wait in waits if wait is not None]
    if len(pending) <= 1:
        return pending[0] if pending else None
    return DeferredList(pending).addCallback(lambda _: None)
