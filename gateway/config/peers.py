"""`[peers]`: how we deal with other domains, by `any`, `*.suffix` and exact names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.addresses import prepare_domain
from gateway.config.reading import Key, Reading, dotted
from gateway.config.tables import is_table, read_table, unquoted_name
from gateway.errors import MalformedAddress
from gateway.settings import PeerRules, PeerSettings, options_of

DIGEST_MD5 = "digest-md5"
KEYS = frozenset(each.name for each, _ in options_of(PeerSettings))


def read_peers(reading: Reading, tables: Any) -> PeerRules:
    """The rules, each entry with what it inherits from the more general ones."""
    key: Key = ("peers",)
    given: dict[str, dict[str, Any]] = {}
    written: dict[str, Key] = {}
    for name, table in tables.items() if is_table(reading, key, tables) else ():
        pattern = _pattern(reading, (*key, name), name, table)
        if pattern in written:
            reading.wrong((*key, name), f"is the same as {dotted(written[pattern])}")
        elif pattern:
            written[pattern] = (*key, name)
            given[pattern] = read_table(reading, (*key, name), table, PeerSettings, complete=False)
    rules = PeerRules.inherit(given)
    for pattern, place in written.items():
        peer = rules.any if pattern == "any" else rules.entries[pattern]
        check_proofs(reading, place, given[pattern], peer, secret_allowed=_is_exact(pattern))
    return rules


def check_proofs(
    reading: Reading, key: Key, given: Mapping[str, Any], peer: PeerSettings, *, secret_allowed: bool
) -> None:
    """See whether the means of proof can be had (those that could not be read are None, and told of already)."""
    if given.get("authenticate") == ():
        reading.wrong(
            (*key, "authenticate"), "lists nothing, so nobody could prove itself; `allow = false` refuses all"
        )
    listed = peer.authenticate is not None and DIGEST_MD5 in peer.authenticate
    if "digest_md5_secret" in given:
        if not secret_allowed:
            reading.wrong(
                (*key, "digest_md5_secret"), "a secret is shared with one domain: put it into an entry for that"
            )
        elif not listed:
            reading.wrong((*key, "digest_md5_secret"), f"is never used: list {DIGEST_MD5!r} in authenticate")
    elif listed and "authenticate" in given and peer.digest_md5_secret is None:
        reading.wrong(
            (*key, "authenticate"), f"{DIGEST_MD5!r} needs digest_md5_secret, in an entry for that one domain"
        )


def _pattern(reading: Reading, key: Key, name: str, table: Any) -> str:
    """The name of an entry with its domain prepared; empty when it is none."""
    if name == "any":
        return name
    if isinstance(table, dict) and (parts := unquoted_name(table, KEYS)):
        reading.wrong(key, f"dots separate tables: write [{dotted((*key[:-1], '.'.join((name, *parts))))}]")
        return ""
    wildcard = "*." if name.startswith("*.") else ""
    try:
        return wildcard + prepare_domain(name.removeprefix(wildcard))
    except MalformedAddress as error:
        reading.wrong(key, f"{error.problem}; an entry is called 'any', '*.suffix' or by a domain")
        return ""


def _is_exact(pattern: str) -> bool:
    return pattern != "any" and not pattern.startswith("*.")
