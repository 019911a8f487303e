"""The parts of an AccountDomain, assembled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.im import carbons, discovery
from gateway.im.account import Resource
from gateway.im.answer_rates import AnswerRates
from gateway.im.blocking import Blocking
from gateway.im.delegated import Delegation
from gateway.im.documents import Documents
from gateway.im.inbound import Inbound
from gateway.im.limits import AccountLimits
from gateway.im.offline import Offline
from gateway.im.outbound import Outbound
from gateway.im.presence import Presences
from gateway.im.privileged import PrivilegedAccess, PrivilegedEntities
from gateway.im.probes import Probes
from gateway.im.roster import RosterService
from gateway.im.services import Services
from gateway.im.subscribing import Subscribing
from gateway.im.work import AccountJob
from gateway.routing.interfaces import IRouter
from gateway.storage.interfaces import IStore
from gateway.stream.stanza_reader import AddressLookup
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import (
    BLOCKING,
    CARBONS,
    DELEGATION,
    OFFLINE,
    PRIVATE_STORAGE,
    PRIVILEGE,
    ROSTER,
    ROSTER_VERSIONING,
    SUBSCRIPTION_PREAPPROVAL,
    VCARD,
)

# The features that a domain with accounts adds to its answer in service discovery.
FEATURES = (BLOCKING, CARBONS, OFFLINE, PRIVATE_STORAGE, ROSTER, VCARD)
# What a domain with accounts can do for components, if the operator lets them.
FOR_COMPONENTS = (DELEGATION, PRIVILEGE)
IDENTITIES = (("server", "im", "xmpp-gateway"),)
# The stream features announced to clients before they bind (RFC 6121 §2.6.1, §3.4.1).
STREAM_FEATURES = (Element(ROSTER_VERSIONING, "ver"), Element(SUBSCRIPTION_PREAPPROVAL, "sub"))


@dataclass(frozen=True, kw_only=True)
class DomainParts:
    """The parts that an AccountDomain calls directly."""

    presences: Presences
    offline: Offline
    inbound: Inbound
    outbound: Outbound
    privileged: PrivilegedAccess


def assemble(
    *,
    domain: Domain,
    router: IRouter,
    store: IStore,
    now: Callable[[], float],
    tokens: Callable[[], str],
    addresses: AddressLookup,
    limits: AccountLimits,
    later: Callable[[Resource, AccountJob], None],
    entities: PrivilegedEntities,
    delegation: Delegation,
) -> DomainParts:
    """Make the parts, each from the earlier ones."""

    async def arrived(resource: Resource, is_new: bool, may_receive: bool) -> None:
        if is_new:
            await subscribing.greet(resource)
        if may_receive:
            await offline.deliver(resource)

    privileged = PrivilegedAccess(entities=entities, domain=domain, router=router, store=store, tokens=tokens)
    presences = Presences(
        router=router, addresses=addresses, limits=limits, arrived=arrived, later=later, show=privileged.show
    )
    roster = RosterService(
        router=router, store=store, presences=presences, limits=limits, tokens=tokens, entities=entities
    )
    subscribing = Subscribing(router=router, store=store, presences=presences, roster=roster, addresses=addresses)
    blocking = Blocking(store=store, presences=presences, addresses=addresses, limits=limits, tokens=tokens)
    offline = Offline(store, domain, now)
    table = {
        **roster.services,
        **blocking.services,
        **carbons.SERVICES,
        **Documents(store).services,
        **discovery.services(FEATURES, partial(delegation.announced, of_account=True)),
        **privileged.services,
    }
    rates = AnswerRates(domain, now)
    services = Services(router=router, store=store, delegation=delegation, rates=rates, table=table)
    return DomainParts(
        presences=presences,
        offline=offline,
        inbound=Inbound(
            router=router,
            offline=offline,
            probes=Probes(router, store),
            subscribing=subscribing,
            services=services,
            privileged=privileged,
        ),
        outbound=Outbound(router=router, presences=presences, subscribing=subscribing, services=services),
        privileged=privileged,
    )
