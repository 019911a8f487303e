"""The interfaces of handlers, routes and router, and the closed sets of answers that each allows.

For services in Python, which others write (docs/handlers.md):

    ILocalHandler         answers stanzas, one at a time; enough for most
      IService            is also started, with a context, and stopped: for one that sends on its own initiative
      IActiveHandler      as Twisted's and Wokkel's protocol handlers need it: told where it is attached
        IDetachableHandler   and that it no longer is
    ICheckedOptions       provided by the factory: `xmpp-gateway check` asks it about its options
    IDiscoverable         adds features and identities to the answers of service discovery

For the gateway itself, each with more than one provider:

    IRoute                the owner of a domain; `IStreamRoute` if all it does is write to a stream
    IRouter               where every stanza goes that was made or admitted here
    IBorder               the filters, as the router sees them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza


@dataclass(frozen=True, kw_only=True)
class Handled:
    """The stanza has been handled; these stanzas go out as a result."""

    replies: Sequence[Stanza] = ()


@dataclass(frozen=True, kw_only=True)
class Declined:
    """Not for this handler: the next one is asked. If all decline, the answer is `service-unavailable`."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """The stanza is answered with this error, where it may be answered."""

    error: StanzaError


Answer = Handled | Declined | Refused


class ILocalHandler(Interface):
    """A service for the stanzas to a domain, written in Python. See docs/handlers.md."""

    def handle(stanza: AddressedStanza) -> Answer | Deferred[Answer]:
        """Handle one stanza, whose 'from' has been verified; an exception becomes `internal-server-error`."""


class IActiveHandler(ILocalHandler):
    """A handler that also sends on its own initiative, not only in answer to something."""

    def attached(domain: Domain, send: Callable[[Stanza], None]) -> None:
        """Note that the handler serves this domain from now on; what it sends is from there, and may go to anybody."""


class IDetachableHandler(IActiveHandler):
    """An active handler that has something to end: timers, ports, connections."""

    def detached() -> None:
        """End: the handler no longer serves the domain, or the gateway stops. It may still send within this call."""


class IService(ILocalHandler):
    """A handler with a life: it is started with its surroundings, and stopped. See docs/handlers.md.

    Both methods may return a Deferred, or be coroutines. It is given stanzas from the end of `start` to the beginning
    of `stop`.
    """

    def start(context: Any) -> Any:
        """Begin; `context` is a `gateway.handlers.context.ServiceContext`, and may be used at once.

        If this fails or takes too long, the service does not run, and the operator sees why.
        """

    def stop() -> Any:
        """End timers, ports and connections; the context may still be used, and is closed when this has ended.

        A stop that takes too long is cancelled.
        """


class ICheckedOptions(Interface):
    """A factory of handlers that knows which options it can work with, so that `xmpp-gateway check` can say so."""

    def mistakes(**options: Any) -> Iterable[tuple[str, str]]:
        """Return the options that cannot be used, each with the reason; they fit the factory's arguments.

        It connects to nothing and changes nothing. The reason names no secret.
        """


class IDiscoverable(Interface):
    """A handler that adds to its domain's answers in service discovery (XEP-0030)."""

    features = Attribute("Sequence[str]: the namespaces it answers for")
    identities = Attribute("Sequence[tuple[str, str, str]]: category, type, name")


class IRoute(Interface):
    """The owner of a domain: a remote domain, an attached component, local handlers, accounts, a relayed server."""

    def deliver(stanza: AddressedStanza) -> None:
        """Take over a stanza whose 'to' is in this route's domain.

        The route gives it exactly one end: written to its stream, handled, answered with an error through the router's
        `bounce`, or dropped by a rule. It does not raise. It need not write anything before `flush`.
        """

    def flush() -> Deferred[None] | None:
        """Write what was delivered. Return None while there is room, else a Deferred that fires when there is room
        again.

        Until it fires, the caller stops reading from its own peer.
        """


class IStreamRoute(IRoute):
    """A route that only writes stanzas to a stream."""

    outflow = Attribute("The Outflow of the stream; stanzas that it takes at once need not be delivered one by one.")

    def deliver_all(stanzas: Sequence[AddressedStanza]) -> None:
        """Deliver stanzas of one domain pair in order, while something outside the outflow goes first."""


class IRouter(Interface):
    """The destination of all stanzas that this process has made or admitted."""

    def route(stanza: AddressedStanza) -> None:
        """Hand an admitted stanza to the route that owns its domain."""

    def bounce(stanza: AddressedStanza, error: StanzaError) -> None:
        """Answer a stanza with an error, where it may be answered (RFC 6120 §8.3.1)."""

    def ask(question: AddressedStanza, answered: Callable[[AddressedStanza], None]) -> None:
        """Route our own request; call `answered` with its result or error, which goes nowhere else.

        Nobody else may be able to guess its id, or send from its address.
        """

    def is_own(domain: Domain) -> bool:
        """Return whether the domain is one of ours: served by accounts, a component, a handler or a relay."""

    def flush() -> Deferred[None] | None:
        """Flush every route that got something since the last time; return as `IRoute.flush` does."""


class IBorder(Interface):
    """Examines stanzas before the router delivers them, and may hold some back."""

    def plan(sender: Domain, target: Domain) -> Any:
        """Return the plan that judges the stanzas between these domains; None if they pass unexamined."""

    def lets_through(plan: Any, stanza: AddressedStanza) -> bool:
        """Return whether the stanza passes now; if not, it has had its end, or passes later."""

    def undecided() -> list[Deferred[None]]:
        """Return a Deferred for everything that has begun to wait since the last call; each fires when the wait is
        over.
        """
