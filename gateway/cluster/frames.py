"""Frames: what one node sends to another, as bytes: a line of JSON, then the stanzas as they are.

The receiver needs no XML parser: the line has what a router must know of each stanza. Frames come from nodes that share
our configuration and the engine's credentials, but one that cannot be read is refused with FrameError and never half
taken.

The line repeats no attribute that can be as long as its stanza: the receiver reads a long `type` or `id` from the
stanza itself. So a frame is hardly longer than the stanzas in it.

    batch      stanzas for a domain that is served at the receiver, with lane and number
    taken      everything of a lane up to this number has been taken over
    needs      the receiver of a lane needs this number next
    unknown    the receiver is not the process that the lane was for
    ended      the sender has given up a lane
    ask        a question to this node, with a number
    answer     the answer to it, or to one for which there was none
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.cluster.lanes import MOST_BYTES, MOST_STANZAS
from gateway.cluster.records import WIRE
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import unescape
from gateway.xmpp.errors import GatewayError, MalformedAddress, Misuse
from gateway.xmpp.stanzas import NAMES, AddressedStanza
from gateway.xmpp.start_tags import written_attribute

MOST_FRAME_BYTES = 1 << 20
"""The longest frame that every engine must carry."""
HEAD_BYTES = 1 << 15
"""An upper bound of what a frame with a single stanza has besides that stanza."""
_MOST_REPEATED = 128  # characters of an attribute that is repeated in the line
_AS_WRITTEN = True  # in the place of an attribute that the receiver reads from the stanza

_encoded = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

AddressReader = Callable[[str], Address]


class FrameError(GatewayError):
    """A frame that cannot be read."""


class FrameKind(StrEnum):
    """The kinds of frames."""

    BATCH = "batch"
    TAKEN = "taken"
    NEEDS = "needs"
    UNKNOWN = "unknown"
    ENDED = "ended"
    ASK = "ask"
    ANSWER = "answer"


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame: from which process of which node, to which process, and what it says.

    `lane` and `number` identify a batch. Of questions and answers, `number` joins the two, and `content` is what they
    say.
    """

    kind: FrameKind
    node: str
    process: str
    to_process: str = ""
    lane: int = 0
    number: int = 0
    stanzas: Sequence[AddressedStanza] = ()
    content: Mapping[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Return the frame as it is sent."""
        head: dict[str, Any] = {
            "w": WIRE,
            "k": self.kind.value,
            "n": self.node,
            "p": self.process,
            "t": self.to_process,
            "l": self.lane,
            "i": self.number,
        }
        if self.content:
            head["c"] = self.content
        if self.stanzas:
            head["s"] = [
                (
                    each.name,
                    type_ if (type_ := each.type) is None or len(type_) <= _MOST_REPEATED else _AS_WRITTEN,
                    each.from_.full,
                    each.to.full,
                    id_ if (id_ := each.id) is None or len(id_) <= _MOST_REPEATED else _AS_WRITTEN,
                    len(each.raw),
                )
                for each in self.stanzas
            ]
        return b"".join((_encoded(head).encode(), b"\n", *[each.raw for each in self.stanzas]))


def read_frame(data: bytes, address: AddressReader = Address.parse) -> Frame:
    """Return a frame; raise FrameError. `address` reads prepared addresses, perhaps from a cache."""
    line, _, body = data.partition(b"\n")
    try:
        head = json.loads(line)
        stanzas = _read_stanzas(head.get("s", ()), body, address)
        content = head.get("c", {})
        if not isinstance(content, dict):
            raise FrameError("the content of a frame must be an object")
        return Frame(
            kind=FrameKind(head["k"]),
            node=str(head["n"]),
            process=str(head["p"]),
            to_process=str(head["t"]),
            lane=int(head["l"]),
            number=int(head["i"]),
            stanzas=stanzas,
            content=content,
        )
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        MalformedAddress,
        Misuse,
    ) as error:
        raise FrameError(f"a frame cannot be read: {type(error).__name__}") from error


def _read_stanzas(heads: Sequence[Any], body: bytes, address: AddressReader) -> list[AddressedStanza]:
    stanzas: list[AddressedStanza] = []
    position = 0
    for name, type_, from_, to, id_, size in heads:
        if name not in NAMES or size <= 0:
            raise FrameError(f"a frame has a stanza of an unknown kind: {str(name)[:20]!r}")
        raw = body[position : position + size]
        if type_ is _AS_WRITTEN:
            written = written_attribute(raw, b"type")
            type_ = None if written is None else unescape(written[1:-1])
        if id_ is _AS_WRITTEN:
            id_ = written_attribute(raw, b"id")
        stanzas.append(AddressedStanza(name, raw, address(to), address(from_), type_, id_))
        position += size
    if position != len(body):
        raise FrameError(f"a frame of {len(body)} bytes has stanzas of {position} bytes")
    return stanzas


def in_batches(stanzas: Sequence[AddressedStanza]) -> list[list[AddressedStanza]]:
    """Return stanzas as batches that fit into frames, in order.

    A stanza of more than MOST_BYTES has its own batch.
    """
    batches: list[list[AddressedStanza]] = []
    size = 0
    for stanza in stanzas:
        if not batches or len(batches[-1]) >= MOST_STANZAS or size + len(stanza.raw) > MOST_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(stanza)
        size += len(stanza.raw)
    return batches
