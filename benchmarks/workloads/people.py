"""Stanzas of clients: to each other on one server, and to other servers."""

from __future__ import annotations

from benchmarks.arena import REMOTE, SECRET, USERS
from benchmarks.load.actors import Client
from benchmarks.load.remote import Remote
from benchmarks.traffic import Traffic, addresses
from benchmarks.workloads.base import BUSY, LOAD
from benchmarks.workloads.passing import RATE, Passing, per_stanza

RESOURCE = "bench"


class FromClient(Passing):
    """A client that sends."""

    figures = (per_stanza(1 / 2), RATE, BUSY, LOAD)

    def client(self, user: str) -> Remote:
        """Return that user, logged in."""
        return self.remote(Client, self.subject.client_door(), user, SECRET, RESOURCE)


class ClientToClient(FromClient):
    """Two users of one server."""

    key = "c2s-c2s"
    title = "client → client"

    def set_up(self) -> None:
        self.sender, self.counter = map(self.client, USERS)

    def traffics(self) -> list[Traffic]:
        recipient = f"{USERS[1]}@{self.subject.domain}/{RESOURCE}"
        return [Traffic(count=self.scale.stanzas, senders=[""], recipients=[recipient])]


class ClientToServer(FromClient):
    """A user writes to people elsewhere."""

    key = "c2s-s2s"
    title = "client → S2S"

    def set_up(self) -> None:
        self.sender, self.counter = self.client(USERS[0]), self.arena.outside
        self._ends.callback(self.arena.outside.call, "hang_up")

    def traffics(self) -> list[Traffic]:
        return [Traffic(count=self.scale.stanzas, senders=[""], recipients=addresses(REMOTE))]
