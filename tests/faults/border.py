"""Border: two servers that reach each other over wires only, and the books of what passes between them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.faults import faults, log
from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.sides import Side, side
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Prosody
from tests.interop.world import World


@dataclass(frozen=True)
class Border:
    """Two servers, of which the first is a gateway, and the books of what passes between them."""

    one: Side
    other: Side
    there: Book
    back: Book

    @property
    def books(self) -> tuple[Book, Book]:
        return self.there, self.back

    @property
    def traffic(self) -> list[tuple[Component, Book]]:
        return [(self.one.source, self.there), (self.other.source, self.back)]

    @property
    def network(self) -> list[faults.Fault]:
        """Everything that happens to networks."""
        wires = (self.one.wire, self.other.wire)
        return [faults.cuts(*wires), faults.cuts(*wires), faults.refusals(*wires), faults.stalls(*wires)]

    @property
    def dropped(self) -> set[str]:
        return log.dropped(self.one.server) | log.dropped(self.other.server)

    @property
    def unaccounted(self) -> list[str]:
        """Return the stanzas without any known end, and that no log names as dropped by a rule."""
        dropped = self.dropped
        return [id_ for book in self.books for id_ in book.unaccounted(dropped)]

    @property
    def came_twice(self) -> list[str]:
        """Return what came to more than one end."""
        dropped = self.dropped
        return [id_ for book in self.books for id_ in (*book.twice, *book.both(dropped), *book.answered_twice)]

    @property
    def altered(self) -> list[str]:
        """Return what did not come as it was sent, or not in the order in which it was sent."""
        return [id_ for book in self.books for id_ in (*book.garbled, *book.overtaken)]

    def tell(self) -> None:
        """Print the account."""
        dropped = self.dropped
        print()
        for book in self.books:
            print(book.summary(dropped))
        print(self._named(self.one, "other.test", "sink.one.test"))
        print(self._named(self.other, "one.test", "sink.other.test"))
        print(f"connections: {self.one.wire.opened + self.other.wire.opened}")

    def _named(self, side: Side, peer: str, sink: str) -> str:
        server = side.server
        lost = f"{log.named(server, peer)} to {peer} and {log.named(server, sink)} to {sink}"
        return f"{server.site.domains[0]} names as perhaps lost {lost}; it sent {log.sent_again(server, peer)} again"


@asynccontextmanager
async def border(
    world: World, start: Starter, kind: type[Gateway | Prosody] = Gateway, *, acknowledges: bool = True, **peers: Any
) -> AsyncIterator[Border]:
    """A gateway and another server that reach each other over wires only; `peers` is what [peers.any] has besides.

    With `keep = "no"` what waits comes back soon; the default keeps messages and the newest subscription presence.
    """
    is_kept = peers.get("keep") != "no"
    there = Book("source.one.test", "sink.other.test", is_kept=is_kept)
    back = Book("source.other.test", "sink.one.test", is_kept=is_kept)
    peers["stream_management"] = acknowledges
    async with (
        side(world, start, Gateway, "one.test", back, there, **peers) as one,
        side(world, start, kind, "other.test", there, back, **peers) as other,
    ):
        yield Border(one, other, there, back)
