"""H-03: stream ids and secrets come from a strong source, with at least 128 bits (CVE-2016-1232)."""

from __future__ import annotations

import ast
import stat
from base64 import urlsafe_b64decode
from pathlib import Path

import gateway as package
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import component_header, dial
from tests.support.code import statements

BITS = 128
STREAMS = 200
# Chance that need not be strong: the order of servers, and waits.
ONLY_CHANCE = {
    "net/dns/resolver.py",
    "net/dns/target_search.py",
    "net/dns/service_records.py",
    "federation/backoff.py",
    "filters/rtbl.py",
}


async def ids_of(gateway: Peer, port: int) -> list[bytes]:
    """The ids of many streams, as bytes."""
    ids = []
    for _ in range(STREAMS // 2):
        async with dial(gateway.address, port) as probe:
            if port == COMPONENT:
                await probe.type(component_header(next(iter(gateway.site.components))))
                header = await probe.header()
            else:
                header = await probe.open("probe.test", gateway.site.domains[0])
            text = header.get("id", "")
            ids.append(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return ids


async def test_stream_ids_are_long_and_alike_in_nothing(gateway: Peer) -> None:
    ids = await ids_of(gateway, SERVER) + await ids_of(gateway, COMPONENT)
    assert len(set(ids)) == STREAMS
    assert min(map(len, ids)) * 8 >= BITS
    # Each bit is set in about half of the ids: of 200 fair coins, fewer than 50 or more than 150 heads fall in one
    # of 10^12 trials. A counter, a time or a fixed part would show.
    for bit in range(BITS):
        ones = sum(id_[bit // 8] >> (bit % 8) & 1 for id_ in ids)
        assert 50 <= ones <= 150, f"bit {bit} is set in {ones} of {STREAMS} ids"


def test_secrets_that_are_kept_are_long_and_for_us_alone(gateway: Peer) -> None:
    state = gateway.folder / "state"
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    kept = list(state.glob("*.secret"))
    assert kept
    for file in kept:
        assert len(file.read_bytes()) * 8 >= BITS
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_weak_chance_is_used_where_it_does_no_harm_only() -> None:
    root = Path(package.__file__).parent
    using = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "random" in (text := path.read_text())  # most files need not be parsed
        for node in statements(ast.parse(text))
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "random" in {getattr(node, "module", None), *(alias.name for alias in node.names)}
    }
    assert (
        using - {"run/assembly/routing.py", "run/assembly/federation.py", "run/assembly/border.py", "login/login.py"}
        <= ONLY_CHANCE
    )
