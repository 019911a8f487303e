"""People: assemble the store, the domains with accounts, and everything behind the client ports.

This is a service because the store must be opened in the final process: after it has become a daemon and has given up
its privileges. Everything that needs the store is made then, and nothing uses it before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThreadPool
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from gateway.clients.headers import ClientPolicy
from gateway.clients.login import Login
from gateway.clients.resumable_clients import ResumableClients
from gateway.clients.session import ClientServices, ClientSession
from gateway.features.advertisement import Advertisement
from gateway.features.bind import Bind, LegacySession
from gateway.features.client_state import ClientState
from gateway.features.limits import StreamLimits
from gateway.features.sasl_clients import ChannelBindingTypes, accepting_clients
from gateway.features.starttls import StartTLS
from gateway.features.stream_management import StreamManagement
from gateway.im.announcing import Announcer
from gateway.im.assembly import STREAM_FEATURES
from gateway.im.delegated import Delegates
from gateway.im.domain import AccountDomain
from gateway.im.limits import AccountLimits
from gateway.im.privileged import PrivilegedEntities
from gateway.notices.attempts.stream_log import StreamLog
from gateway.routing.interfaces import IRoute
from gateway.routing.router import Router
from gateway.sasl.keys import Decoys
from gateway.storage.errors import StoreUnavailable
from gateway.storage.interfaces import IShardedStore, IStore
from gateway.storage.opening import open_store
from gateway.stream.facts import ClientFacts
from gateway.stream.profiles import Profile, client_profile
from gateway.stream.sessions import Connection
from gateway.stream.stanza_reader import AddressLookup
from gateway.timing.reactor import IReactor
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import Misuse, StreamCondition, StreamError

if TYPE_CHECKING:
    from gateway.im.homes import Homes
    from gateway.im.sharded import ShardedDomain

_THREADS = 2  # for salted hashes: as many logins at a time as do not slow down everything else


class People(Service):
    """The domains with accounts, and everything that their clients share."""

    def __init__(
        self,
        domains: Sequence[Domain],
        *,
        itself: Callable[[Domain], IRoute],
        storage: str,
        state: Path,
        secret: bytes,
        router: Router,
        addresses: AddressLookup,
        new_id: Callable[[], str],
        new_log: Callable[[], StreamLog],
        reactor: IReactor,
        login_failures: int,
        unsafe: Callable[[], Deferred[None] | None] = lambda: None,
        entities: Callable[[Domain], PrivilegedEntities] = lambda _: PrivilegedEntities(),
        delegates: Callable[[Domain], Delegates] = lambda _: Delegates(),
        homes: Homes | None = None,
    ) -> None:
        """`itself` returns the route for a domain's own address; `secret` makes keys for accounts that do not exist.

        `homes` knows where accounts live, if several nodes serve them.
        """
        self.setName("accounts")
        self.policy = ClientPolicy(frozenset(domains))
        self.domains: dict[Domain, AccountDomain] = {}
        self.profile = client_features(Decoys(secret), new_id)
        self.store: IStore | None = None
        self._itself = itself
        lease_of = homes.lease_of if homes is not None else None
        self._open_store = partial(open_store, storage, state, reactor, lease_of=lease_of)
        self._homes = homes
        if homes is not None:
            homes.evict, homes.claim, homes.cleared = self._evict, self._claim, self.cleared
        self._router = router
        self._addresses = addresses
        self._new_id = new_id
        self._new_log = new_log
        self._login_failures = login_failures
        self._reactor = reactor
        self._unsafe = unsafe
        self._entities = entities
        self._delegates = delegates
        self._threads = ThreadPool(0, _THREADS, "logins")
        self._resumable_clients = ResumableClients(new_id, reactor)
        self._services: ClientServices | None = None
        self.announcer = Announcer(
            router, reactor, store=lambda: self.store, online=lambda domain: self.domains[domain].online()
        )

    def startService(self) -> None:
        super().startService()
        self.store = self._open_store()
        self._threads.start()
        for domain in self.policy.domains:
            self.domains[domain] = self._account_domain(domain, self.store)
            self._router.attach(domain, self.domains[domain])
        self._services = ClientServices(
            domains=self.domains,
            login=Login(
                self.store,
                partial(deferToThreadPool, self._reactor, self._threads),
                self._reactor,
                most_failures=self._login_failures,
            ),
            resumable_clients=self._resumable_clients,
            clock=self._reactor,
            unsafe=self._unsafe,
            home_of=self._homes.home_of if self._homes is not None else lambda account: "",
        )

    def stopService(self) -> None:
        super().stopService()
        for domain in self.domains.values():
            domain.answer_waiting()
        self._router.flush()

    def _account_domain(self, domain: Domain, store: IStore) -> AccountDomain:
        return self._kind()(
            domain=domain,
            router=self._router,
            store=store,
            itself=self._itself(domain),
            clock=self._reactor,
            tokens=self._new_id,
            addresses=self._addresses,
            limits=AccountLimits(),
            entities=self._entities(domain),
            delegates=self._delegates(domain),
        )

    def _kind(self) -> Callable[..., AccountDomain]:
        if self._homes is None:
            return AccountDomain
        from gateway.im.sharded import (
            ShardedDomain,  # with everything of clusters, of which a single node needs nothing
        )

        return partial(ShardedDomain, self._homes)

    def session(self, connection: Connection) -> ClientSession:
        """Return the session for a new connection on a client port."""
        if self._services is None:
            raise Misuse("there is no domain with accounts")
        return ClientSession(connection, self._services, self._new_log())

    def close_account(self, account: Address) -> int:
        """Close the streams of an account that was deleted or has a new password; return how many there were."""
        domain = self.domains.get(account.domain)
        if domain is None:
            return 0
        return domain.close_account(account, StreamError(StreamCondition.NOT_AUTHORIZED, "the account was changed"))

    def _evict(self, shards: Collection[int], error: Callable[[str], StreamError]) -> None:
        for domain in cast("dict[Domain, ShardedDomain]", self.domains).values():  # it is the homes that call this
            domain.evict(shards, error)

    def _claim(self, leases: Sequence[tuple[int, int]]) -> None:
        if IShardedStore.providedBy(self.store):
            self.store.claim(leases).addErrback(_not_claimed)

    def cleared(self) -> Deferred[None] | None:
        """Return None if all work for the accounts is done, else a Deferred that fires when it is."""
        waits = [wait for domain in self.domains.values() if (wait := domain.cleared()) is not None]
        return DeferredList(waits).addCallback(lambda _: None) if waits else None

    async def close(self) -> None:
        """Finish what is under way and close the store, once all connections are gone and no client can come back."""
        self.announcer.stop()
        self._resumable_clients.end_all()
        for domain in self.domains.values():
            wait = domain.cleared()
            if wait is not None:
                await wait
        if self.store is not None:
            await self.store.close()
        if self._threads.started:
            self._threads.stop()


def _not_claimed(failure: Failure) -> None:
    """Ignore that the server is away, or that there is a newer owner: each write will show it."""
    failure.trap(StoreUnavailable)


def client_features(decoys: Decoys, new_id: Callable[[], str]) -> Profile:
    """Return the features that a client port negotiates, in this order."""
    management = StreamManagement[ClientFacts](
        offers=lambda facts: facts.awaits_resource,
        may_enable=lambda facts: facts.is_bound,
        may_resume=lambda facts: facts.awaits_resource,
    )
    return client_profile(
        StartTLS(),
        ChannelBindingTypes(),
        accepting_clients(decoys, new_id),
        Bind(),
        LegacySession(),
        management,
        ClientState(),
        StreamLimits(),
        *map(Advertisement, STREAM_FEATURES),
    )
