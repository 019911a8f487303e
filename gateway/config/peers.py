"""`[peers]`: the settings for other domains, by `any`, `*.suffix` and exact names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.config.reading import KeyPath, Reading, dotted
from gateway.config.settings import PeerEntries, PeerSettings, options_of
from gateway.config.tables import named_tables, read_table
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.errors import MalformedAddress

DIGEST_MD5 = "digest-md5"
KEYS = frozenset(each.name for each, _ in options_of(PeerSettings))


def read_peers(reading: Reading, tables: Any) -> PeerEntries:
    """Return the entries, each with what it inherits from more general ones."""
    given: dict[str, dict[str, Any]] = {}
    written: dict[str, KeyPath] = {}
    for place, name, table in named_tables(reading, ("peers",), tables, KEYS):
        pattern = _pattern(reading, place, name)
        settings = read_table(reading, place, table, PeerSettings, complete=False)
        if pattern in written:
            reading.wrong(place, f"names the same domains as {dotted(written[pattern])}")
        elif pattern:
            written[pattern] = place
            given[pattern] = settings
    entries = PeerEntries.inherit(given)
    for pattern, place in written.items():
        peer = entries.any if pattern == "any" else entries.entries[pattern]
        check_proofs(reading, place, given[pattern], peer, secret_allowed=_is_exact(pattern))
        if pattern == "any" and given[pattern].get("pin"):
            reading.wrong((*place, "pin"), "would refuse all other domains: move it to the entry of a domain or suffix")
    return entries


def check_proofs(
    reading: Reading, key: KeyPath, given: Mapping[str, Any], peer: PeerSettings, *, secret_allowed: bool
) -> None:
    """Check that the means of proof can be used. Those that could not be read are None, and already reported."""
    if given.get("authenticate") == ():
        reading.wrong(
            (*key, "authenticate"), "is empty, so no server could prove itself; to refuse all, set `allow = false`"
        )
    if peer.require and peer.require not in (peer.authenticate or (peer.require,)):
        reading.wrong((*key, "require"), f"{peer.require!r} is not among the means that authenticate lists")
    listed = peer.authenticate is not None and DIGEST_MD5 in peer.authenticate
    if "digest_md5_secret" in given:
        if not secret_allowed:
            reading.wrong(
                (*key, "digest_md5_secret"), "a secret is shared with one domain: move it to that domain's entry"
            )
        elif not listed:
            reading.wrong((*key, "digest_md5_secret"), f"is never used: add {DIGEST_MD5!r} to authenticate")
    elif listed and "authenticate" in given and peer.digest_md5_secret is None:
        reading.wrong(
            (*key, "authenticate"), f"{DIGEST_MD5!r} needs digest_md5_secret, in an entry for that one domain"
        )


def _pattern(reading: Reading, key: KeyPath, name: str) -> str:
    """Return the name of an entry with its domain prepared; empty when it is not valid."""
    if name == "any":
        return name
    wildcard = "*." if name.startswith("*.") else ""
    try:
        return wildcard + prepare_domain(name.removeprefix(wildcard))
    except MalformedAddress as error:
        reading.wrong(key, f"{error.problem}; an entry is named 'any', '*.suffix' or after a domain")
        return ""


def _is_exact(pattern: str) -> bool:
    return pattern != "any" and not pattern.startswith("*.")
