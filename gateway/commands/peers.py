"""The answer to `xmpp-gateway peers`: other domains and the state of federation with each, those in trouble first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.screen import Screen, Tint
from gateway.commands.status import whose_side
from gateway.commands.telling import clock, duration, fitted, next_try, node_of, table
from gateway.notices.attempts.proofs import in_words

_COLUMNS = ["domain", "state", "since", "in", "out", "waiting", "oldest", "they to us", "we to them"]
_COLUMNS += ["verdict", "next try", "what happened"]
_TINTS = {"failing": Tint.BAD, "opening": Tint.DOUBTFUL, "quiet": Tint.FAINT, "turned-away": Tint.FAINT}
_ORDER = ("failing", "opening", "connected", "quiet", "turned-away")


def is_well(answer: list[Mapping[str, Any]]) -> bool:
    """Return whether every domain that we know can be reached."""
    return not any(peer["state"] == "failing" for peer in answer)


def render(
    answer: list[Mapping[str, Any]], screen: Screen, *, wide: bool = False, failing: bool = False
) -> Iterator[str]:
    """Yield a table of other domains and the state of federation with each, those in trouble first.

    `wide` shows all columns; `failing` only domains that cannot be reached, with the reasons in full.
    """
    none = "no other domain has been seen since the service started"
    if failing:
        none = "every other domain can be reached"
    now = time.time()
    is_cluster = any("node" in peer for peer in answer)
    if wide:
        columns = [*_COLUMNS, *(["node"] if is_cluster else [])]
        yield from table(columns, ([*_row(each), *node_of(each)] for each in answer), none)
        return
    rows = (
        [
            peer["domain"],
            peer["state"],
            *node_of(peer),
            duration(now - peer["since"]) if peer["since"] else "",
            (peer["queued"] or "") if not peer["oldest"] else f"{peer['queued']}, {duration(peer['oldest'])}",
            _what_is_wrong(peer),
        ]
        for peer in sorted(answer, key=_by_trouble)
    )
    headings = ["domain", "state", *(["node"] if is_cluster else []), "for", "waiting", "what is wrong (whose side)"]
    yield from fitted(screen, headings, rows, none, lambda cells: _TINTS.get(cells[1]), folds=failing)


def _what_is_wrong(peer: Mapping[str, Any]) -> str:
    if peer["state"] != "failing":
        return str(peer["certificate_fault"])
    side = whose_side(peer["verdict"])
    return f"{peer['told']} ({side})" if side else str(peer["told"])


def _by_trouble(peer: Mapping[str, Any]) -> tuple[int, int, str]:
    state = peer["state"]
    return _ORDER.index(state) if state in _ORDER else len(_ORDER), -peer["queued"], peer["domain"]


def _row(peer: Mapping[str, Any]) -> list[object]:
    return [
        peer["domain"],
        peer["state"],
        clock(peer["since"]) if peer["since"] else "",
        peer["streams_in"],
        peer["streams_out"],
        peer["queued"],
        duration(peer["oldest"]) if peer["oldest"] else "",
        in_words(peer["they_to_us"]),
        in_words(peer["we_to_them"]),
        peer["verdict"],
        next_try(peer["retry_in"]),
        peer["told"],
    ]
