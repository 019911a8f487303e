"""Inbound: a stanza to an account, from whomever, and its one end (RFC 6121 §8.5).

The table in `delivery` says which end; here each end is one function. Before the table, two refusals: of whom the
account blocks, and of what only the account's own server may say (see `_check_claims`).
"""

from __future__ import annotations

from gateway.im import carbons
from gateway.im.account import Account, Resource
from gateway.im.delivery import BOUNCED, Action, Ends, Finds, action
from gateway.im.offline import Offline
from gateway.im.probes import Probes
from gateway.im.services import Services
from gateway.im.subscribing import Subscribing
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import BLOCKING, ROSTER
from gateway.xmpp.stanzas import Stanza

# What a client takes for its server's word when it comes as an iq of type set.
_PUSHES = {ROSTER: ROSTER.encode(), BLOCKING: BLOCKING.encode()}


class Inbound:
    """The ends of stanzas to accounts."""

    def __init__(
        self,
        *,
        router: IRouter,
        offline: Offline,
        probes: Probes,
        subscribing: Subscribing,
        services: Services,
    ) -> None:
        self._router = router
        self._offline = offline
        self._probes = probes
        self._subscribing = subscribing
        self._services = services
        self._ends = Ends(
            {
                Action.DELIVER: self._deliver,
                Action.SPREAD: self._spread,
                Action.SHOW: self._show,
                Action.STORE: self._store,
                Action.BOUNCE: self._bounce,
                Action.REFUSE: self._refuse,
                Action.DROP: self._drop,
                Action.SERVE: self._serve,
                Action.SUBSCRIBE: self._subscribe,
                Action.PROBE: self._probe,
            }
        )

    def receive(self, account: Account, stanza: Stanza) -> Later:
        """Bring a stanza to its end, now or later; raises StanzaError where it is to be bounced."""
        assert stanza.to is not None
        if account.blocked.addresses and account.blocks(stanza.from_):
            self._refuse_blocked(stanza)
            return None
        _check_claims(account, stanza)
        name = stanza.to.resource
        resource = account.resources.get(name) if name else None
        if resource is not None:
            finds = Finds.RESOURCE
        elif name:
            finds = Finds.OTHER_RESOURCES if account.receivers else Finds.NO_RESOURCE
        else:
            finds = Finds.ACCOUNT if account.receivers else Finds.ACCOUNT_ALONE
        return self._ends.get(stanza.name, stanza.type, finds)(account, resource, stanza)

    def receive_for_nobody(self, stanza: Stanza) -> None:
        """The end of a stanza to an account that does not exist (§8.5.1)."""
        end = action(stanza.name, stanza.type, Finds.NO_ACCOUNT)
        if end is Action.PROBE:
            assert stanza.from_ is not None
            assert stanza.to is not None
            self._probes.answer_for_nobody(stanza.from_, stanza.to)
        elif end in BOUNCED:
            self._router.bounce(stanza, BOUNCED[end])

    def return_unread(self, account: Account, stanza: Stanza) -> Later:
        """A stanza that was given to a client which never took it: as if it had come now, except for copies.

        What went to several resources stays with the others; copies, and what informs, end here.
        """
        if stanza.name == "presence" or stanza.to is None or carbons.looks_like_a_copy(stanza):
            return None
        if stanza.to.is_bare and account.receivers:
            return None
        return self.receive(account, stanza)

    def _refuse_blocked(self, stanza: Stanza) -> None:
        """To the blocked, the account looks as if it were away (XEP-0191 §3.3)."""
        if stanza.name != "presence":
            self._router.bounce(stanza, BOUNCED[Action.BOUNCE])

    def _deliver(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        assert resource is not None
        if stanza.name == "message":
            resource.send(stanza)
            if len(account.resources) > 1:
                carbons.send_copies(account, stanza, carbons.RECEIVED, without=(resource,))
            return None
        if stanza.is_request:
            _check_presence_leak(account, resource, stanza)
        elif stanza.name == "presence" and stanza.type == "error" and stanza.from_ is not None:
            resource.directed.pop(stanza.from_, None)
        resource.send(stanza)
        return None

    def _spread(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        for each in account.receivers:
            each.send(stanza)
        if len(account.resources) > len(account.receivers):
            carbons.send_copies(account, stanza, carbons.RECEIVED, without=account.receivers)
        return None

    def _show(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        for each in account.available():
            each.send(stanza)
        return None

    def _store(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        carbons.send_copies(account, stanza, carbons.RECEIVED, without=())
        return self._offline.keep(account, stanza)

    def _bounce(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        self._router.bounce(stanza, BOUNCED[Action.BOUNCE])
        return None

    def _refuse(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        self._router.bounce(stanza, BOUNCED[Action.REFUSE])
        return None

    def _drop(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        return None

    def _serve(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        return self._services.serve(account, None, stanza)

    def _subscribe(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        return self._subscribing.receive(account, stanza)

    def _probe(self, account: Account, resource: Resource | None, stanza: Stanza) -> Later:
        return self._probes.answer(account, stanza)


def _check_claims(account: Account, stanza: Stanza) -> None:
    """Refuse what clients would take for their own server's word, when it comes from anybody else.

    Clients should see to that themselves, and some did not (CVE-2015-8688, CVE-2017-5589).
    """
    if stanza.name == "message":
        forged = carbons.looks_like_a_copy(stanza)
    elif stanza.type == "set" and any(mark in stanza.raw for mark in _PUSHES.values()):
        assert stanza.to is not None
        payload = stanza.element.first()
        forged = bool(stanza.to.resource) and payload is not None and payload.namespace in _PUSHES
    else:
        return
    if forged and (stanza.from_ is None or stanza.from_.bare != account.address.bare):
        raise StanzaError(StanzaCondition.FORBIDDEN, "only an account's own server may say this to its clients")


def _check_presence_leak(account: Account, resource: Resource, stanza: Stanza) -> None:
    """Any answer would tell that the resource is there: so only who may know that is given one (§8.5.3.1)."""
    if stanza.from_ is None or not account.shows_itself_to(stanza.from_, resource):
        raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)
