"""Records of the shared directory: three kinds of entry, each a key and a small JSON object.

    node.NAME           a node, rewritten every few seconds: that is its lease
    at.NAME.DOMAIN      the node serves this domain at the moment: a component is attached, or a service runs
    shard.NUMBER        the node that a shard belongs to

Every write has a revision from the engine, greater than all before it. The revision of the entry with which a node
joins is the *epoch* of its membership; that of a shard's entry is the epoch of its owner. An entry that names an epoch
or a process that is no longer the present one has no effect, so nothing has to be tidied up in time.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.cluster.names import NODE_NAME
from gateway.cluster.shards import SHARDS

WIRE = 1
"""The version of records and frames; a node reads those of the version before its own, too."""


class Standing(StrEnum):
    """What a node wants to be given."""

    UP = "up"
    DRAINING = "draining"  # nothing new: it is about to stop


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry as the engine has it; `value` is None once it was removed."""

    key: str
    value: bytes | None
    revision: int


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """What a node writes about itself; `epoch` is 0 in the entry with which it joins."""

    process: str  # names this run of the program, so that a restart is noticed
    epoch: int = 0
    standing: Standing = Standing.UP
    version: str = ""
    wire: int = WIRE
    clients: str = ""  # where clients reach it: HOST or HOST:PORT; empty if they do not

    def to_bytes(self) -> bytes:
        """Return the value of the entry."""
        known = {"p": self.process, "e": self.epoch, "s": self.standing.value, "v": self.version, "w": self.wire}
        return _dump({**known, "c": self.clients} if self.clients else known)

    @classmethod
    def read(cls, value: bytes) -> NodeRecord | None:
        """Return the record; None if it cannot be read."""
        found = _load(value)
        try:
            return cls(
                process=str(found["p"]),
                epoch=int(found["e"]),
                standing=_standing(found["s"]),
                version=str(found["v"]),
                wire=int(found["w"]),
                clients=str(found.get("c", "")),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def _standing(value: str) -> Standing:
    """Return a standing; one that only a later version knows is that of a node that is given nothing new."""
    return Standing(value) if value in set(Standing) else Standing.DRAINING


@dataclass(frozen=True, kw_only=True)
class ShardRecord:
    """The owner of a shard, in this epoch of its membership; no owner: it was released."""

    node: str = ""
    epoch: int = 0

    def to_bytes(self) -> bytes:
        """Return the value of the entry."""
        return _dump({"n": self.node, "e": self.epoch})

    @classmethod
    def read(cls, value: bytes) -> ShardRecord | None:
        """Return the record; None if it cannot be read."""
        found = _load(value)
        try:
            return cls(node=str(found["n"]), epoch=int(found["e"]))
        except (KeyError, TypeError, ValueError, OverflowError):
            return None


def node_key(node: str) -> str:
    """Return the key of a node's entry."""
    return f"node.{node}"


def place_key(node: str, domain: str) -> str:
    """Return the key that says that a node serves a domain."""
    return f"at.{node}.{urlsafe_b64encode(domain.encode()).decode()}"


def shard_key(shard: int) -> str:
    """Return the key of a shard's entry."""
    return f"shard.{shard}"


def node_of(key: str) -> str | None:
    """Return the node whose entry this is; None for any other key."""
    kind, _, node = key.partition(".")
    return node if kind == "node" and NODE_NAME.fullmatch(node) else None


def place_of(key: str) -> tuple[str, str] | None:
    """Return the node and the domain that a key is about; None for any other key."""
    parts = key.split(".")
    if len(parts) != 3 or parts[0] != "at":
        return None
    try:
        return (parts[1], domain) if (domain := urlsafe_b64decode(parts[2]).decode()) else None
    except ValueError:
        return None


def shard_in(key: str) -> int | None:
    """Return the shard whose entry this is; None for any other key."""
    kind, _, number = key.partition(".")
    if kind != "shard" or not number.isascii() or not number.isdigit() or len(number) > 3:
        return None
    return int(number) if int(number) < SHARDS else None


def _dump(value: dict[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _load(value: bytes) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
