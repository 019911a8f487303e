"""The codec beside an oracle: what it hands on must be what expat says about the whole stream, however it was cut.

The oracle is a separate expat, which reads all bytes at once and builds every tree. Of each child of the stream it
says where it begins and ends, its name, its attributes and its tree; the codec has to agree on all of them, and what
it hands on has to mean the same on a stream with another content namespace and with other addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pyexpat import ExpatError, ParserCreate
from random import Random
from typing import Any

from gateway.stream.budget import Budget
from gateway.stream.codec import STREAM_END, Codec, RootTag
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.elements import Element, escape_attribute
from gateway.xmpp.errors import MalformedAddress, StreamError
from gateway.xmpp.namespaces import XML
from gateway.xmpp.stanzas import CONTENT, NAMES, Stanza
from tests.fuzz.mutation import cut, mutate
from tests.fuzz.random_streams import random_stream
from tests.fuzz.transcripts import BOUND, COMPONENT, INBOUND, OUTBOUND

_HEADER = re.compile(rb"(?:<\?xml[^>]*>)?<stream:stream[^>]*>")


def _streams(talk: bytes) -> list[bytes]:
    """A talk has a stream for each of its headers."""
    starts = [header.start() for header in _HEADER.finditer(talk)]
    return [talk[start:end] for start, end in zip(starts, [*starts[1:], len(talk)], strict=True)]


TALKS = (*INBOUND, *OUTBOUND, *COMPONENT, *BOUND)
CORPUS = tuple(sorted({stream for talk in TALKS for stream in _streams("".join(talk).encode())}))
ADDRESSES = AddressCache()
ALIASES = frozenset({"jabber:client"})
ELSEWHERE = "urn:elsewhere"  # the content namespace of another stream
SOMEBODY, ELSE = Address.parse("somebody@here.test/'<&>\""), Address.parse("else.test")
# Faults that the codec finds and expat does not: limits, encodings, text between stanzas with no tag behind it, and the
# start of something forbidden that has no end.
_LIMITS = ("policy-violation", "unsupported-encoding")
_OWN_FAULTS = (*_LIMITS, "bad-format", "restricted-xml")
_BETWEEN = "\x1f"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-")

Name = tuple[str, str]


@dataclass
class Tree:
    """An element as expat has seen it: expanded names, text joined; its place in the stream."""

    name: Name
    attributes: dict[Name, str]
    children: list[Tree | str] = field(default_factory=list)
    start: int = 0
    end: int = 0


class _Stop(Exception):
    """Nothing behind this can be looked at."""


@dataclass
class Oracle:
    """What expat says about a whole stream: the children that are complete, whether it ends, whether it is at fault."""

    data: bytes
    root: Tree | None = None
    children: list[Tree] = field(default_factory=list)
    has_ended: bool = False
    has_fault: bool = False

    def __post_init__(self) -> None:
        self._open: list[Tree] = []
        self._behind = 0  # the last child, or the start tag of the root
        parser = self._parser = ParserCreate("utf-8", _BETWEEN)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.namespace_prefixes = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = parser.ProcessingInstructionHandler = parser.StartDoctypeDeclHandler = self._refuse
        try:
            parser.Parse(self.data, False)
        except (ExpatError, _Stop):
            self.has_fault = not self.has_ended

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        tree = Tree(_split(name), {_split(key): value for key, value in attributes.items()})
        tree.start = self._parser.CurrentByteIndex
        if self.root is None:
            self.root = tree
            self._behind = _behind_tag(self.data, tree.start)
        elif len(self._open) == 1:
            self._check_gap(tree.start)
        self._open.append(tree)

    def _end(self, _: str) -> None:
        tree = self._open.pop()
        tree.end = _behind_tag(self.data, tree.start)
        if self.data[tree.end - 2 : tree.end] != b"/>":
            tree.end = _behind_tag(self.data, self._parser.CurrentByteIndex)
        if len(self._open) > 1:
            self._open[-1].children.append(tree)
        elif self._open:
            self.children.append(tree)
            self._behind = tree.end
        else:
            self._check_gap(self._parser.CurrentByteIndex)
            self.has_ended = True
            raise _Stop

    def _check_gap(self, end: int) -> None:
        if self.data[self._behind : end].strip(b" \t\r\n") and end > self._behind:
            raise _Stop  # text between stanzas

    def _text(self, text: str) -> None:
        if len(self._open) > 1:
            children = self._open[-1].children
            if children and isinstance(children[-1], str):
                children[-1] += text
            else:
                children.append(text)

    def _refuse(self, *_: object) -> None:
        raise _Stop


def _split(name: str) -> Name:
    """The expanded name that expat reports; a prefix, which comes last, does not count."""
    parts = name.split(_BETWEEN)
    return (parts[0], parts[1]) if len(parts) > 1 else ("", name)


def _behind_tag(data: bytes, start: int) -> int:
    """The offset behind the tag that begins at `start`, read byte by byte, as no program does."""
    quote = ""
    for at, byte in enumerate(data[start:].decode("latin-1"), start + 1):
        if quote:
            quote = "" if byte == quote else quote
        elif byte in "'\"":
            quote = byte
        elif byte == ">":
            return at
    raise AssertionError("expat has passed a tag that does not end")


def one_input(rng: Random) -> None:
    """Make a stream, cut it, and compare what comes out of the codec with the oracle."""
    data = random_stream(rng) if rng.random() < 0.6 else rng.choice(CORPUS)
    if rng.random() < 0.5:
        data = mutate(rng, data)
    chance = rng.random()
    if chance < 0.15:
        pieces = cut(rng, data)
    elif chance < 0.3:
        pieces = [data]
    else:
        edge = rng.randrange(len(data) + 1)
        pieces = [piece for piece in (data[:edge], data[edge:]) if piece]
    compare(data, pieces, at_most=rng.choice((-1, -1, 1)))


def compare(data: bytes, pieces: list[bytes], at_most: int = -1) -> None:
    """Raise AssertionError where the codec and the oracle disagree on a stream that comes in these pieces."""
    oracle = Oracle(data)
    codec = Codec(Budget(), ADDRESSES, content_aliases=ALIASES)
    items, condition = _read(codec, pieces, at_most)
    children = oracle.children
    if items:
        root = items.pop(0)
        assert isinstance(root, RootTag), data
        assert oracle.root is not None, data
        assert (root.namespace, root.name) == oracle.root.name, data
        assert {_expanded(key): value for key, value in root.attributes.items()} == oracle.root.attributes, data
    elif condition is None:
        assert oracle.root is None, data
    if items and items[-1] is STREAM_END:
        items.pop()
        assert oracle.has_ended, data
        assert len(items) == len(children), data
    elif condition is None:
        assert not oracle.has_ended, data
        assert len(items) == len(children), (data, items, children)
        # A large token that is not complete has not been judged yet; text between stanzas not before its next tag.
    else:
        assert oracle.has_fault or condition in _OWN_FAULTS, (data, condition)
        assert len(items) == len(children) or condition in _LIMITS, (data, items, children)
    root = oracle.root
    for item, child in zip(items, children, strict=False):
        try:
            assert root is not None
            _Comparison(data, root, item, child).check()
        except AssertionError as error:
            raise AssertionError(data, data[child.start : child.end], item, *error.args) from error


def _read(codec: Codec, pieces: list[bytes], at_most: int) -> tuple[list[Any], str | None]:
    items: list[Any] = []
    for piece in pieces:
        codec.feed(piece)
        try:
            while taken := codec.take(at_most):
                items.extend(taken)
        except StreamError as fault:
            return items, str(fault.condition)
    return items, None


def _expanded(key: str | tuple[str, str]) -> Name:
    return ("", key) if isinstance(key, str) else key


@dataclass
class _Comparison:
    """One item of the codec beside the child of the stream that it has to be."""

    data: bytes
    root: Tree
    item: object
    child: Tree

    def check(self) -> None:
        content = _default_namespace(self.data[: _behind_tag(self.data, self.root.start)])
        if not content:
            return  # a stream whose header names no content namespace is refused before anything on it is handed on
        is_stanza = self.child.name[1] in NAMES and self.child.name[0] in {content, *ALIASES}
        assert isinstance(self.item, Stanza) == is_stanza, "kind"
        if isinstance(self.item, Stanza):
            self._check_stanza(self.item, content)
        else:
            assert isinstance(self.item, Element)
            assert _plain(_of_element(self.item)) == _plain(self.child), "tree of an element"

    def _check_stanza(self, stanza: Stanza, content: str) -> None:
        child, attributes = self.child, dict(self.child.attributes)
        assert stanza.name == child.name[1], "name"
        assert stanza.type == attributes.get(("", "type")), "type"
        assert stanza.id == attributes.get(("", "id")), "id"
        attributes.update(self._check_addresses(stanza))
        written = self.data[child.start : child.end]
        language = self.root.attributes.get((XML, "lang"), "")
        if (XML, "lang") not in attributes and 0 < len(language) <= 64 and _LETTERS.issuperset(language):
            attributes[XML, "lang"] = language
        expected = Tree(child.name, attributes, child.children)
        if stanza.raw == written:
            assert attributes == child.attributes, "language of the stream, spelling of the domains"
        for namespace in (ELSEWHERE, CONTENT):
            seen = _seen_on_another_stream(stanza.raw, namespace)
            assert _matches(seen, expected, child.name[0], namespace), ("tree on a stream of " + namespace, stanza.raw)
        built = _of_element(stanza.element)
        assert _matches(built, expected, child.name[0], CONTENT), ("tree", stanza.raw)
        self._check_readdressed(stanza, expected)

    def _check_addresses(self, stanza: Stanza) -> dict[Name, str]:
        """Compare the addresses; return those whose domain goes out in another spelling than it came."""
        is_malformed = False
        respelled = {}
        for name, address in (("from", stanza.from_), ("to", stanza.to)):
            text = self.child.attributes.get(("", name))
            try:
                expected = Address.parse(text) if text is not None else None
            except MalformedAddress:
                expected, is_malformed = None, True
            assert address == expected, name
            if text is not None and expected is not None:
                bare, slash, resource = text.partition("/")
                local, at, domain = bare.rpartition("@")
                if domain != expected.domain:
                    respelled["", name] = f"{local}{at}{expected.domain}{slash}{resource}"
        assert (stanza.flaw is not None) == is_malformed, "malformed"
        return respelled

    def _check_readdressed(self, stanza: Stanza, expected: Tree) -> None:
        other = stanza.readdressed(to=SOMEBODY, from_=ELSE)
        attributes = {**expected.attributes, ("", "to"): SOMEBODY.full, ("", "from"): ELSE.full}
        changed = Tree(expected.name, attributes, expected.children)
        seen = _seen_on_another_stream(other.raw, ELSEWHERE)
        assert _matches(seen, changed, self.child.name[0], ELSEWHERE), ("readdressed", other.raw)
        assert (other.to, other.from_) == (SOMEBODY, ELSE)


@lru_cache(1000)
def _default_namespace(head: bytes) -> str:
    """The content namespace of a stream: that of an element without a prefix behind this start tag, as expat says."""
    if head.endswith(b"/>"):
        head = head[:-2] + b">"
    return Oracle(head + b"<x/>").children[0].name[0]


def _seen_on_another_stream(raw: bytes, content: str) -> Tree:
    """The one stanza that these bytes are, where nothing can be borrowed and the default namespace is this one."""
    oracle = Oracle(b"<s:s xmlns:s='urn:s' xmlns='%b'>%b</s:s>" % (escape_attribute(content).encode(), raw))
    assert not oracle.has_fault, ("not well-formed elsewhere", raw)
    assert len(oracle.children) == 1, ("not one element", raw)
    (child,) = oracle.children
    assert child.end - child.start == len(raw), ("more than one element", raw)
    return child


def _of_element(element: Element) -> Tree:
    tree = Tree((element.namespace, element.name), {_expanded(key): value for key, value in element.attributes.items()})
    for child in element.children:
        if isinstance(child, Element):
            tree.children.append(_of_element(child))
        elif child and tree.children and isinstance(tree.children[-1], str):
            tree.children[-1] += child
        elif child:
            tree.children.append(child)
    return tree


def _plain(tree: Tree) -> object:
    return (
        tree.name,
        tree.attributes,
        [child if isinstance(child, str) else _plain(child) for child in tree.children],
    )


def _matches(seen: Tree, expected: Tree, old: str, new: str, *, is_content: bool = True) -> bool:
    """Return whether `seen` is `expected` with its content namespace changed from `old` to `new`.

    Content changes its namespace with the stream down to where something else begins; what is below that keeps its own,
    whether the other element was written with a prefix or not.
    """
    namespace, name = expected.name
    is_content = is_content and namespace == old
    if seen.name != (new if is_content else namespace, name) or seen.attributes != expected.attributes:
        return False
    if len(seen.children) != len(expected.children):
        return False
    for one, other in zip(seen.children, expected.children, strict=True):
        if isinstance(one, str) or isinstance(other, str):
            if one != other:
                return False
        elif not _matches(one, other, old, new, is_content=is_content):
            return False
    return True
