"""The bytes of the benchmarks: stanzas as people send them, and how they are cut into writes.

A `Traffic` is a description that is sent to the sending process, which makes the bytes. The same description gives the
same bytes each time, so all servers get the same work.

Every stanza contains MARKER once, which the receivers count.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

MARKER = b"bench-"
WRITE_BYTES = 16384
CUT_BYTES = 4096
CRUMB_BYTES = 512
MESSAGE_BYTES = 330
SEED = 20

_WORDS = [
    "but",
    "soft",
    "what",
    "light",
    "through",
    "yonder",
    "window",
    "breaks",
    "it",
    "is",
    "the",
    "east",
    "juliet",
    "sun",
]
_SIZES = {200: 15, 250: 15, 300: 15, 400: 15, 500: 12, 700: 10, 1000: 8, 2000: 6, 4096: 4}  # in a mix, by frequency


class Cut(Enum):
    """The ways to cut stanzas into writes."""

    WHOLE = "writes of 16 KiB, whole stanzas"
    SINGLE = "one stanza a write"
    ANYWHERE = "writes of 1 byte to 4 KiB, cut anywhere"
    CRUMBS = "writes of 512 bytes, cut anywhere"


class Kind(Enum):
    """The kinds of stanzas."""

    MESSAGES = "messages of 330 bytes"
    MIX = "messages, presence and requests of 200 bytes to 4 KiB"
    HUGE = "a message of a given size"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Stanzas from these addresses to those, chosen at random or `in_turn`; `size` is that of huge ones.

    With the sender "" the server adds the sender.
    """

    count: int
    senders: Sequence[str]
    recipients: Sequence[str]
    kind: Kind = Kind.MESSAGES
    cut: Cut = Cut.WHOLE
    size: int = 0
    in_turn: bool = False

    def stanzas(self) -> Iterator[bytes]:
        """Yield the stanzas."""
        chance = random.Random(SEED)
        for number in range(self.count):
            sender = chance.choice(self.senders)
            recipient = self.recipients[number] if self.in_turn else chance.choice(self.recipients)
            addresses = f"from='{sender}' to='{recipient}'" if sender else f"to='{recipient}'"
            yield self._stanza(chance, addresses, number)

    def writes(self) -> Iterator[bytes]:
        """Yield the writes that the stanzas are sent in."""
        match self.cut:
            case Cut.WHOLE:
                yield from _whole(self.stanzas())
            case Cut.SINGLE:
                yield from self.stanzas()
            case Cut.ANYWHERE:
                chance = random.Random(SEED)
                yield from _pieces(b"".join(self.stanzas()), lambda: chance.randint(1, CUT_BYTES))
            case Cut.CRUMBS:
                yield from _pieces(b"".join(self.stanzas()), lambda: CRUMB_BYTES)

    def _stanza(self, chance: random.Random, addresses: str, number: int) -> bytes:
        match self.kind:
            case Kind.MESSAGES:
                start = f"<message {addresses} type='chat' id='bench-{number}'>"
                return _filled(chance, start, _CHAT, MESSAGE_BYTES).encode()
            case Kind.MIX:
                [size] = chance.choices([*_SIZES], [*_SIZES.values()])
                start, content = chance.choices([*_MIX], [*_MIX.values()])[0]
                return _filled(chance, start % (addresses, number), content, size).encode()
            case Kind.HUGE:
                return _filled(chance, f"<message {addresses}>", _HUGE, self.size).encode()


class MarkerCount:
    """Counts markers in bytes that come in pieces."""

    def __init__(self, marker: bytes) -> None:
        self._marker = marker
        self._rest = b""

    def more(self, data: bytes) -> int:
        """Return how many markers these bytes complete."""
        data = self._rest + data
        self._rest = data[-(len(self._marker) - 1) :]
        return data.count(self._marker)


def addresses(domain: str, count: int = 50) -> list[str]:
    """Return this many full addresses in a domain."""
    return [f"user{number}@{domain}/resource-{number}" for number in range(count)]


def stamped(stanza: bytes, moment: int) -> bytes:
    """Return the stanza with a time behind its marker."""
    return stanza.replace(MARKER, b"%b%d-" % (MARKER, moment), 1)


# The contents of stanzas; %s is text that fills them up to the wanted size.
_CHAT = "<body>%s</body><active xmlns='http://jabber.org/protocol/chatstates'/><request xmlns='urn:xmpp:receipts'/>"
_GROUPCHAT = "<body>%s</body><stanza-id xmlns='urn:xmpp:sid:0' by='room@muc.example.org' id='5f3dbc5e-e1d3'/>"
_ENCRYPTED = "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='2'/><payload>%s</payload></encrypted>"
_PUBSUB = (
    "<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='urn:xmpp:microblog:0'><item id='1'>"
    "<entry xmlns='http://www.w3.org/2005/Atom'><title>%s</title></entry></item></items></event>"
)
_PRESENCE = (
    "<show>away</show><status>%s</status>"
    "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://example.org' ver='q07IKJEyjvHSyhy/CH0C='/>"
)
_PUBLISH = (
    "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='urn:xmpp:microblog:0'><item id='1'>"
    "<entry xmlns='http://www.w3.org/2005/Atom'><title>%s</title></entry></item></publish></pubsub>"
)
_CARD = "<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN><NICKNAME>Romeo</NICKNAME><DESC>%s</DESC></vCard>"
_HUGE = "<body>%s</body><thread>bench-0</thread>"

# Start tags and contents, by frequency.
_MIX = {
    ("<message %s type='chat' id='bench-%d'>", _CHAT): 30,
    ("<message %s type='groupchat' id='bench-%d'>", _GROUPCHAT): 15,
    ("<message %s type='chat' id='bench-%d'>", _ENCRYPTED): 10,
    ("<message %s type='headline' id='bench-%d'>", _PUBSUB): 5,
    ("<presence %s id='bench-%d'>", _PRESENCE): 25,
    ("<iq %s type='set' id='bench-%d'>", _PUBLISH): 7,
    ("<iq %s type='result' id='bench-%d'>", _CARD): 8,
}


def _filled(chance: random.Random, start: str, content: str, size: int) -> str:
    """Return the stanza with that start tag and content, of this many bytes, or as few as possible."""
    name = start[1 : start.index(" ")]
    missing = size - len(start) - len(content) + len("%s") - len(f"</{name}>")
    return f"{start}{content % _text(chance, missing)}</{name}>"


def _text(chance: random.Random, size: int) -> str:
    """Return words of this many characters, at least one."""
    words = " ".join(chance.choices(_WORDS, k=300))
    return (words * (size // len(words) + 1))[: max(size, 1)]


def _whole(stanzas: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    size = 0
    for stanza in stanzas:
        if waiting and size + len(stanza) > WRITE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
        waiting.append(stanza)
        size += len(stanza)
    if waiting:
        yield b"".join(waiting)


def _pieces(data: bytes, next_size: Callable[[], int]) -> Iterator[bytes]:
    position = 0
    while position < len(data):
        end = position + next_size()
        yield data[position:end]
        position = end
