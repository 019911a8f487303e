"""Discovery of an account, and two requests that only need an answer.

Service discovery to the bare address (XEP-0030 §8) is for those who see its presence; for others there is no account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gateway.im.services import AccountService, Audience, Request, ServiceKey
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import BIND, DISCO_INFO, DISCO_ITEMS, PING, SESSION


def services(
    features: Iterable[str], announced: Callable[[Sequence[Element]], Sequence[Element]]
) -> dict[ServiceKey, AccountService]:
    """Return the services; `features` are the namespaces that the account's own clients may use.

    `announced` returns what discovery shows in place of what we would show.
    """
    listed = sorted({*features, DISCO_INFO, DISCO_ITEMS, PING})

    async def info(request: Request) -> Element:
        _refuse_nodes(request)
        identity = Element(DISCO_INFO, "identity", {"category": "account", "type": "registered"})
        known = [Element(DISCO_INFO, "feature", {"var": feature}) for feature in listed]
        return Element(DISCO_INFO, "query", children=announced([identity, *known]))

    async def items(request: Request) -> Element:
        _refuse_nodes(request)
        return Element(DISCO_ITEMS, "query")

    return {
        ("get", DISCO_INFO, "query"): AccountService(info, Audience.SUBSCRIBERS),
        ("get", DISCO_ITEMS, "query"): AccountService(items, Audience.SUBSCRIBERS),
        ("get", PING, "ping"): AccountService(_nothing, Audience.SUBSCRIBERS),
        # RFC 3921 had these after binding, and old clients still send them.
        ("set", SESSION, "session"): AccountService(_nothing, Audience.OWNER),
        ("set", BIND, "bind"): AccountService(_bound_already, Audience.OWNER),
    }


async def _bound_already(request: Request) -> None:
    """Refuse a second resource on a stream (RFC 6120 §7.1); clients that want two open two streams."""
    raise StanzaError(StanzaCondition.NOT_ALLOWED, "this stream already has a resource")


async def _nothing(request: Request) -> None:
    return None


def _refuse_nodes(request: Request) -> None:
    if request.payload.get("node"):
        raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "there is no such node")
