"""A domain with accounts and nobody but the test around it: real store, real router, clients and a world that record.

    home = Home("alice", "bob")
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    assert phone.heard() == xml("<presence from='alice@example.com/phone' to='alice@example.com'/>")

The ids of pushes are made up by the server and stand for nothing: what is heard has "*" in their place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from gateway.im.account import Resource
from gateway.im.delegated import Delegates
from gateway.im.domain import AccountDomain
from gateway.im.interfaces import IBoundClient
from gateway.im.kept import KeptMessage
from gateway.im.limits import AccountLimits
from gateway.im.privileged import PrivilegedEntities
from gateway.notices.notices import Notice
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.storage.memory import MemoryStore
from gateway.storage.records import Relation, RosterItem, StoreLimits, Subscription
from gateway.xmpp.addresses import Address, AddressCache, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import CONTENT, Stanza
from tests.support.routers import Recorder
from tests.support.trees import stanza

HERE = Domain("example.com")


def xml(*texts: str) -> list[str]:
    """Stanzas, in the spelling in which `heard` gives them."""
    return [spelled(stanza(text).element) for text in texts]


def spelled(element: Element) -> str:
    """A tree as text, with its attributes in order."""
    return _sorted(element).serialize(CONTENT).decode()


def _sorted(element: Element) -> Element:
    return Element(
        element.namespace,
        element.name,
        dict(sorted(element.attributes.items(), key=str)),
        [child if isinstance(child, str) else _sorted(child) for child in element.children],
    )


def _heard(read: Stanza) -> str:
    element = read.element
    is_push = read.name == "iq" and read.type == "set" and read.from_ is not None and read.from_.is_bare
    return spelled(element.replace(attributes={"id": "*"}) if is_push else element)


class SpellingRecorder(Recorder):
    """A route that keeps what it gets, and spells it out."""

    def heard(self) -> list[str]:
        """Return what has come since the last time."""
        heard, self.got = self.got, []
        return [_heard(each) for each in heard]


@implementer(IBoundClient)
class Client(SpellingRecorder):
    """A client's stream: what it is sent, how often it was flushed, and the error that closed it."""

    resource: Resource

    def __init__(self, home: Home, *, takes: bool = True) -> None:
        """`takes`: what is kept until it has it, it has soon after it was delivered."""
        super().__init__()
        self.home = home
        self.flushed: list[int] = []  # how many stanzas each flush had to write
        self.closed: StreamError | None = None
        self.room: Deferred[None] | None = None
        self._takes = takes
        self._unflushed = 0

    def deliver(self, stanza: Stanza) -> None:
        super().deliver(stanza)
        self._unflushed += 1

    def deliver_kept(self, messages: Sequence[KeptMessage]) -> None:
        for message in messages:
            self.deliver(message)
        if self._takes:
            self.home.clock.callLater(0, self.home.domain.taken, self.resource, messages)

    def flush(self) -> Deferred[None] | None:
        self.flushed.append(self._unflushed)
        self._unflushed = 0
        return self.room

    def close(self, error: StreamError) -> None:
        self.closed = error

    @property
    def jid(self) -> str:
        return self.resource.address.full

    def say(self, *texts: str) -> Deferred[None] | None:
        """Send stanzas in one read."""
        for text in texts:
            self.home.domain.from_client(self.resource, stanza(text))
        return self.home.domain.settle()

    def leave(self, *unread: Stanza) -> None:
        """Leave without closing the stream."""
        self.home.domain.unbind(self.resource, unread)
        self.home.domain.settle()

    def online(self, presence: str = "<presence/>") -> Client:
        """Ask for the roster, say presence unless it is empty, and forget what came of it."""
        self.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>", *filter(None, [presence]))
        self.heard()
        return self


class SlowStore:
    """A store that does nothing until it is told to, call by call."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.calls: deque[tuple[str, Callable[[], None]]] = deque()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def later(*args: Any, **kwargs: Any) -> Deferred[Any]:
            done: Deferred[Any] = Deferred()
            self.calls.append((name, lambda: method(*args, **kwargs).chainDeferred(done)))
            return done

        return later

    def answer(self, calls: int = 1) -> list[str]:
        """Carry out that many calls; the answer is their names."""
        names = []
        for _ in range(calls):
            name, call = self.calls.popleft()
            call()
            names.append(name)
        return names

    def answer_all(self) -> None:
        """Carry out every call, and those that follow from them."""
        while self.calls:
            self.answer()


class Home:
    """A domain with these accounts, and the world outside."""

    def __init__(
        self,
        *accounts: str,
        here: Domain = HERE,
        limits: AccountLimits | None = None,
        store_limits: StoreLimits | None = None,
        slow: bool = False,
        store: Any = None,
        entities: PrivilegedEntities | None = None,
        delegates: Delegates | None = None,
    ) -> None:
        self.here = here
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.notices: list[Notice] = []
        self.world = SpellingRecorder()
        self.itself = SpellingRecorder()
        self.router = Router(Domains({here: DomainRule()}), lambda pair: self.world, self.notices.append)
        tokens = count(1)
        self.memory: Any = store or MemoryStore(token=lambda: "epoch", limits=store_limits or StoreLimits())
        self.store: Any = SlowStore(self.memory) if slow else self.memory
        self.domain = AccountDomain(
            domain=here,
            router=self.router,
            store=self.store,
            itself=self.itself,
            clock=self.clock,
            tokens=lambda: f"token-{next(tokens)}",
            addresses=AddressCache(),
            limits=limits or AccountLimits(),
            entities=entities,
            delegates=delegates,
        )
        self.router.attach(here, self.domain)
        for local in accounts:
            self.memory.add_account(f"{local}@{here}", [])

    def client(self, local: str, resource: str | None = None, *, takes: bool = True) -> Client:
        """Bind a client."""
        client = Client(self, takes=takes)
        client.resource = self.domain.bind(Address.make(local, self.here, ""), client, resource)
        return client

    def arrive(self, *texts: str) -> Deferred[None] | None:
        """Stanzas come from outside in one read."""
        for text in texts:
            self.router.route(stanza(text))
        return self.router.flush()

    def befriend(self, local: str, contact: str, subscription: str = "both") -> None:
        """Put a contact into the roster in this state, before anybody is online."""
        item = RosterItem(contact=contact, subscription=Subscription(subscription))
        self.memory.update_relation(f"{local}@{self.here}", contact, lambda before: Relation(item=item))

    def kept(self, local: str) -> list[bytes]:
        """The offline messages of an account."""
        self.clock.advance(0)
        found: list[bytes] = []
        self.memory.offline(f"{local}@{self.here}", 0, 10_000).addCallback(
            lambda messages: found.extend(message.stanza for message in messages)
        )
        return found

    def relation(self, local: str, contact: str) -> Any:
        """Return what the store has about an account and a contact."""
        found: list[Any] = []
        self.memory.relation(f"{local}@{self.here}", contact).addCallback(found.append)
        return found[0]
