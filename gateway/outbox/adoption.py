"""Adoption: everything that waits in the outbox of a gateway that is gone moves to our own.

A stanza is put into our outbox first, and settled in the other one when that is on disk. So a crash in between makes it
arrive twice, and nothing loses it. It keeps its times, and its place among the stanzas of its pair that come
from the same outbox. Withheld stanzas move as well, and those that were set aside, as far as there is room for them.
What the operator has held is held here, too; the other outbox keeps that for the time when its gateway is back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import groupby
from typing import NamedTuple

from gateway.outbox.errors import OutboxFull
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.records import KeptStanza, PairState
from gateway.xmpp.addresses import Domain, DomainPair

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
        while goes_on() and (page := await left.page(state.pair, 0, PAGE_STANZAS)):
            last = 0
            try:
                for times, run in groupby(page, key=_times):
                    stanzas_of_run = list(run)
                    await _put(own, state, times, stanzas_of_run, moved)
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


async def _put(
    own: IOutbox,
    state: PairState,
    times: tuple[float, float],
    run: list[KeptStanza],
    moved: Callable[[DomainPair], None],
) -> None:
    accepted, expires = times
    put = own.put(state.pair, [each.raw for each in run], accepted=accepted, expires=expires)
    # At once, before anything that is put later is told: then the route does not pass these over.
    await put.addCallback(lambda _: moved(state.pair))


def _times(stanza: KeptStanza) -> tuple[float, float]:
    return stanza.accepted, stanza.expires
