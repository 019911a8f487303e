"""ResumableClients: the clients' streams that can be resumed, by ids that nobody can guess (XEP-0198 §5).

A client whose connection breaks is parked for some minutes. Only a stream that has proved the same account may resume
it. The number of parked clients is limited; beyond it, the longest parked one of the account with most of them ends.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.bounds.tables import Bounded
from gateway.clients.client import Client
from gateway.xmpp.addresses import Address

PARKED_SECONDS = 300
MOST_PARKED = 10_000


class ResumableClients:
    """All resumable clients of a process."""

    def __init__(
        self,
        new_id: Callable[[], str],
        clock: IReactorTime,
        *,
        seconds: int = PARKED_SECONDS,
        most_parked: int = MOST_PARKED,
    ) -> None:
        self.seconds = seconds
        self._new_id = new_id
        self._clock = clock
        self._most_parked = most_parked
        self._clients: dict[str, Client] = {}
        self._ids: dict[Client, str] = {}
        # With its timer, the longest parked first. One that makes room is ended, so there is one place more.
        self._parked: Bounded[Client, IDelayedCall] = Bounded(most_parked + 1)

    def grant(self, client: Client) -> str:
        """Make a client resumable; return the id to do so."""
        id_ = self._new_id()
        self._clients[id_] = client
        self._ids[client] = id_
        client.grant()
        return id_

    def find(self, id_: str, account: Address) -> Client | None:
        """Return the client that this account can resume by this id."""
        client = self._clients.get(id_)
        if client is None or client.account.bare != account.bare or not client.is_resumable:
            return None
        return client

    def parked_at(self, address: Address) -> Client | None:
        """Return the parked client with that full JID."""
        return next((client for client in self._parked if client.address == address), None)

    def park(self, client: Client) -> None:
        """Keep a client whose connection broke, for a while."""
        client.detach()
        self._parked.put(client, self._clock.callLater(self.seconds, self.end, client), client.account.bare)
        if len(self._parked) > self._most_parked and (first := self._parked.first_to_go()) is not None:
            self.end(first)

    def take_up(self, client: Client) -> None:
        """Note that a new connection has resumed the client."""
        timer = self._parked.pop(client)
        if timer is not None and timer.active():
            timer.cancel()

    def end(self, client: Client) -> None:
        """Note that the client is gone for good."""
        self.take_up(client)
        id_ = self._ids.pop(client, None)
        if id_ is not None:
            del self._clients[id_]
        client.end()

    def end_all(self) -> None:
        """End all parked clients, because the gateway shuts down."""
        for client in tuple(self._parked):
            self.end(client)
