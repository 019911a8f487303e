"""Adoption: everything that waits in the outbox of a gateway that is gone moves to our own.

A stanza is put into our outbox first, and settled in the other one when that is on disk. So a crash in between makes it
arrive twice, but it is never lost. It keeps its times, and its place among the stanzas of its pair that come
from the same outbox. Of subscription requests and their answers, the newest of both outboxes is kept. Withheld stanzas
move as well, and those that were set aside, as far as there is room for them. What the operator has held is held here,
too; the other outbox keeps that for the time when its gateway is back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby
from typing import Any, NamedTuple

from twisted.internet.defer import Deferred

from gateway.outbox.errors import OutboxFull
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.records import KeptStanza
from gateway.outbox.retention import Keep, keeping, key_of, name_of
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.stanzas import restored

PAGE_STANZAS = 500


class Adopted(NamedTuple):
    """The number of stanzas that have moved, and whether these were all."""

    stanzas: int
    is_complete: bool


async def adopt(
    left: IOutbox,
    own: IOutbox,
    *,
    moved: Callable[[DomainPair], None],
    held: Callable[[Collection[Domain]], None] | None = None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Adopted:
    """Move everything that waits there; raise OutboxError if one of the two cannot work.

    `moved` is called for a pair whenever stanzas of it are in our outbox, `held` before that with the domains that are
    held; without it, none is held, because the operator may have released them here meanwhile. `goes_on` returns False
    when this should end, because the other gateway is back.
    """
    stanzas = 0
    if held is not None:
        domains = await left.held()
        for domain in domains:
            await own.hold(domain)
        held(domains)
    for state in await left.pairs():
        newest = _Newest(own, state.pair)
        while goes_on() and (page := await left.page(state.pair, 0, PAGE_STANZAS)):
            last = 0
            try:
                for (times, key), run in groupby(page, key=_times_and_key):
                    stanzas_of_run = list(run)
                    if key is None or not await newest.is_newer(key, times[0]):
                        await _put(own, state.pair, times, key, stanzas_of_run, moved)
                    last = stanzas_of_run[-1].number
            except OutboxFull:
                await left.settle(state.pair, last)  # the rest of the page stays where it is
                raise
            await left.settle(state.pair, last)
            stanzas += len(page)
    for each in await left.withheld() if goes_on() else ():
        taken = own.withhold(each.pair, each.raw, accepted=each.accepted, expires=each.expires, rule=each.rule)
        if await taken is None:
            break  # there is no room; the rest stays where it is
        await left.take_withheld(each.number)
        stanzas += 1
    for stanza in await left.aside() if goes_on() else ():
        kept = own.keep_aside(stanza.pair, stanza.raw, accepted=stanza.accepted, reason=stanza.reason)
        if await kept is None:
            break
        await left.take_aside(stanza.number)
    return Adopted(stanzas, goes_on())


class _Newest:
    """The subscription requests and answers of a pair that our outbox has, and when it accepted the newest of each."""

    def __init__(self, own: IOutbox, pair: DomainPair) -> None:
        self._own = own
        self._pair = pair
        self._accepted: dict[bytes, float] = {}
        self._read_upto = 0

    async def is_newer(self, key: bytes, accepted: float) -> bool:
        """Return whether ours under this key is newer than one that was accepted then."""
        while page := await self._own.page(self._pair, self._read_upto, PAGE_STANZAS):
            self._read_upto = page[-1].number
            for each in page:
                if (found := _key(each)) is not None:
                    self._accepted[found] = max(each.accepted, self._accepted.get(found, 0))
        return self._accepted.get(key, 0) > accepted


def _key(stanza: KeptStanza) -> bytes | None:
    if name_of(stanza.raw) != "presence":
        return None
    try:
        presence = restored("presence", stanza.raw)
    except MalformedAddress:
        return None
    return key_of(presence) if keeping(presence) is Keep.NEWEST else None


async def _put(
    own: IOutbox,
    pair: DomainPair,
    times: tuple[float, float],
    key: bytes | None,
    run: list[KeptStanza],
    moved: Callable[[DomainPair], None],
) -> None:
    accepted, expires = times
    put: Deferred[Any]
    if key is None:
        put = own.put(pair, [each.raw for each in run], accepted=accepted, expires=expires)
    else:
        put = own.put_newest(pair, key, run[-1].raw, accepted=accepted, expires=expires)
    # At once, before anything that is put later is told: then the route does not pass these over.
    await put.addCallback(lambda _: moved(pair))


def _times_and_key(stanza: KeptStanza) -> tuple[tuple[float, float], bytes | None]:
    return (stanza.accepted, stanza.expires), _key(stanza)
