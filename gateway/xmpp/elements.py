"""Element: an immutable, namespace-correct XML tree, and its way to bytes and back.

Trees are built only where content is examined: in negotiation, in local handlers, and for the few stanzas whose bytes
cannot be passed on as they are. Everything else passes as bytes (see `stream.codec`).

A tree is written for a place whose default namespace is known: an element of that namespace needs no declaration there,
every other one declares its own. Prefixes do not matter to the reader of a tree, and the writer invents them only for
attributes that need one (Namespaces in XML 1.0 §5.2, §6.2).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pyexpat import ExpatError, ParserCreate
from typing import Any

from gateway.xmpp.errors import GatewayError
from gateway.xmpp.namespaces import XML

# Separates namespace and local name in what expat reports; no XML document can contain it.
SEPARATOR = "\x1f"

_TEXT_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_ATTRIBUTE_ESCAPES = {**_TEXT_ESCAPES, "'": "&apos;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;"}
_SHORT_ESCAPES = {
    quote: str.maketrans(
        {"&": "&#38;", "<": "&lt;", "\r": "&#13;", "\t": "&#9;", "\n": "&#10;", quote: f"&#{ord(quote)};"}
    )
    for quote in "'\""
}  # people need not read them
_TEXT_SPECIAL = re.compile("[&<>\r]")
_ATTRIBUTE_SPECIAL = re.compile("[&<>\r'\"\t\n]")
# The characters that XML 1.0 §2.2 does not allow in a document, in any spelling.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Without leading zeros: there may be more of them than int() accepts digits.
_REFERENCE = re.compile(r"&(?:#x([0-9a-fA-F]+)|#0*+([0-9]+)|(amp|lt|gt|apos|quot));")
_PREDEFINED = {"amp": "&", "lt": "<", "gt": ">", "apos": "'", "quot": '"'}


class UnserializableText(GatewayError, ValueError):
    """Text with a character that no XML 1.0 document can hold."""


class Oversized(GatewayError, ValueError):
    """An element with more bytes than allowed."""


def escape_text(text: str) -> str:
    """Return text as character data, safe between tags."""
    _refuse_forbidden(text)
    return _TEXT_SPECIAL.sub(lambda match: _TEXT_ESCAPES[match[0]], text)


def escape_attribute(text: str) -> str:
    """Return text as an attribute value, safe between quotes of either kind, and unchanged by value normalisation."""
    if text.isprintable() and not _ATTRIBUTE_SPECIAL.search(text):
        return text
    _refuse_forbidden(text)
    return _ATTRIBUTE_SPECIAL.sub(lambda match: _ATTRIBUTE_ESCAPES[match[0]], text)


def quote_attribute(text: str) -> str:
    """Return text as a quoted attribute value in the fewest bytes, so that a value never grows when it is rewritten."""
    if text.isprintable() and not _ATTRIBUTE_SPECIAL.search(text):
        return f"'{text}'"
    _refuse_forbidden(text)
    quote = '"' if text.count("'") > text.count('"') else "'"
    return quote + text.translate(_SHORT_ESCAPES[quote]) + quote


def unescape(raw: bytes) -> str:
    """Return the value of an attribute whose bytes a parser has already found well-formed."""
    text = raw.decode("utf-8")
    if not text.isprintable():
        text = text.replace("\r\n", " ").replace("\t", " ").replace("\n", " ").replace("\r", " ")
    return _REFERENCE.sub(_dereference, text) if "&" in text else text


def _dereference(match: re.Match[str]) -> str:
    hexadecimal, decimal, name = match.groups()
    if name:
        return _PREDEFINED[name]
    return chr(int(hexadecimal, 16) if hexadecimal else int(decimal))


def writable(text: str) -> str:
    """Return text with every character that XML cannot hold replaced by U+FFFD."""
    return text if text.isprintable() else _FORBIDDEN.sub("\ufffd", text)


def _refuse_forbidden(text: str) -> None:
    if not text.isprintable() and (found := _FORBIDDEN.search(text)):
        raise UnserializableText(f"U+{ord(found[0]):04X} cannot be written in XML")


class Element:
    """One element: expanded name, attributes, and children that are elements or text.

    Attribute names are local names, or `(namespace, name)` for attributes with a namespace; `xml:lang` and its like are
    `(namespaces.XML, "lang")`.
    """

    __slots__ = ("_hash", "attributes", "children", "name", "namespace")

    namespace: str
    name: str
    attributes: Mapping[str | tuple[str, str], str]
    children: tuple[Element | str, ...]
    _hash: int  # set on first use

    def __init__(
        self,
        namespace: str,
        name: str,
        attributes: Mapping[Any, str | None] | None = None,
        children: Iterable[Element | str] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "namespace", namespace)
        put(self, "name", name)
        put(self, "attributes", {key: value for key, value in (attributes or {}).items() if value is not None})
        put(self, "children", tuple(children))

    @classmethod
    def _of(
        cls,
        expanded_name: tuple[str, str],
        attributes: dict[str | tuple[str, str], str],
        children: tuple[Element | str, ...],
    ) -> Element:
        """Make an element of parts that nobody else holds, which need no copy."""
        element = object.__new__(cls)
        put = object.__setattr__
        put(element, "namespace", expanded_name[0])
        put(element, "name", expanded_name[1])
        put(element, "attributes", attributes)
        put(element, "children", children)
        return element

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Element is immutable: use replace({name}=...)")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Element):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        try:
            return self._hash  # the features that we offer are looked up for every stream
        except AttributeError:
            found = hash((self.namespace, self.name, frozenset(self.attributes.items())))
            object.__setattr__(self, "_hash", found)
            return found

    def __repr__(self) -> str:
        return f"<Element {{{self.namespace}}}{self.name} {dict(self.attributes)} {len(self.children)} children>"

    def _key(self) -> tuple[object, ...]:
        return (self.namespace, self.name, self.attributes, _joined(self.children))

    def get(self, attribute: str | tuple[str, str]) -> str | None:
        """Return the attribute's value, or None."""
        return self.attributes.get(attribute)

    @property
    def lang(self) -> str | None:
        """Return the value of `xml:lang` on this element itself."""
        return self.attributes.get((XML, "lang"))

    @property
    def text(self) -> str:
        """Return the character data directly inside this element, joined."""
        return "".join(child for child in self.children if isinstance(child, str))

    def elements(self, namespace: str | None = None, name: str | None = None) -> Iterator[Element]:
        """Yield the child elements in order, optionally only those of one namespace and one name."""
        for child in self.children:
            if (
                isinstance(child, Element)
                and (namespace is None or child.namespace == namespace)
                and (name is None or child.name == name)
            ):
                yield child

    def first(self, namespace: str | None = None, name: str | None = None) -> Element | None:
        """Return the first such child element, or None."""
        return next(self.elements(namespace, name), None)

    def replace(
        self, *, attributes: Mapping[Any, str | None] | None = None, children: Iterable[Element | str] | None = None
    ) -> Element:
        """Return a copy with these attributes merged in (None removes one) and, if given, other children."""
        return Element(
            self.namespace,
            self.name,
            {**self.attributes, **(attributes or {})},
            self.children if children is None else children,
        )

    def serialize(
        self, default_namespace: str = "", prefixes: Mapping[str, str] | None = None, *, at_most: int = sys.maxsize
    ) -> bytes:
        """Return the element as UTF-8, for a place where `default_namespace` and `prefixes` (by namespace) are
        declared.

        Raise Oversized as soon as it gets longer than `at_most`: a namespace that was declared once may have to be
        written many times.
        """
        pieces: list[str] = []
        size = 0
        for piece in _pieces(self, default_namespace, prefixes or {}):
            pieces.append(piece)
            size += len(piece)
            if size > at_most:
                raise Oversized(f"more than {at_most} bytes in one element")
        return "".join(pieces).encode("utf-8")


def _joined(children: tuple[Element | str, ...]) -> list[object]:
    """Return children as a parser would report them: adjacent texts joined, empty text dropped."""
    merged: list[object] = []
    for child in children:
        if isinstance(child, Element):
            merged.append(child._key())
        elif child and merged and isinstance(merged[-1], str):
            merged[-1] += child
        elif child:
            merged.append(child)
    return merged


def _pieces(root: Element, default_namespace: str, prefixes: Mapping[str, str]) -> Iterator[str]:
    # Use our own stack: the depth of a tree is the sender's choice, and the interpreter's stack is limited.
    stack: list[tuple[Element, str] | str] = [(root, default_namespace)]
    while stack:
        entry = stack.pop()
        if isinstance(entry, str):
            yield entry
            continue
        node, default = entry
        prefix = _prefix(node.namespace, default, prefixes)
        name = f"{prefix}:{node.name}" if prefix else node.name
        inner = default if prefix else node.namespace
        yield f"<{name}" if inner == default else f"<{name} xmlns='{escape_attribute(inner)}'"
        yield from _attributes(node)
        if not node.children:
            yield "/>"
            continue
        yield ">"
        stack.append(f"</{name}>")
        for child in reversed(node.children):
            stack.append(escape_text(child) if isinstance(child, str) else (child, inner))


def _prefix(namespace: str, default: str, prefixes: Mapping[str, str]) -> str | None:
    """Return the prefix of an element's name, or None if it is in a default namespace."""
    if namespace == XML:  # XML must not be declared as a default namespace (Namespaces in XML 1.0 §3)
        return "xml"
    return prefixes.get(namespace) if namespace != default else None


def _attributes(element: Element) -> Iterator[str]:
    numbers = count()
    for key, value in element.attributes.items():
        if isinstance(key, str):
            yield f" {key}={quote_attribute(value)}"
        elif key[0] == XML:
            yield f" xml:{key[1]}={quote_attribute(value)}"
        else:
            prefix = f"ns{next(numbers)}"
            yield f" xmlns:{prefix}='{escape_attribute(key[0])}' {prefix}:{key[1]}={quote_attribute(value)}"


def split_name(expat_name: str) -> tuple[str, str]:
    """Return (namespace, local name) of a name as expat reports it when it was made with SEPARATOR."""
    namespace, _, name = expat_name.rpartition(SEPARATOR)
    return namespace, name


def parse_element(raw: bytes, root: bytes = b"<root>") -> Element:
    """Return the tree of one complete element whose bytes a codec has accepted.

    `root` is the start tag in whose scope the element was, so that its prefixes and default namespace apply. Raises
    ValueError for bytes that are not a complete element; a codec never returns such bytes.
    """
    return TreeReader(root).read(raw)


class TreeReader:
    """Builds the trees of elements in one scope, one after the other, with one parser for all of them.

    Making a parser costs more than reading a small element. A parser remembers every name it has seen, so use a reader
    for the elements of one read, not for a whole stream.
    """

    __slots__ = ("_builder", "_parse")

    def __init__(self, root: bytes = b"<root>") -> None:
        """`root` is the start tag in whose scope the elements are."""
        self._builder = builder = _TreeBuilder()
        parser = ParserCreate("utf-8", SEPARATOR)
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # else expat 2.6 and later may wait for more
        parser.buffer_text = True
        parser.ordered_attributes = True
        self._parse = parser.Parse
        try:
            self._parse(root, False)
        except ExpatError as error:
            raise ValueError(f"not a start tag: {error}") from error
        parser.StartElementHandler = builder.start
        parser.EndElementHandler = builder.end
        parser.CharacterDataHandler = builder.text

    def read(self, raw: bytes) -> Element:
        """Return the tree of one complete element; after a ValueError this reader can no longer be used."""
        builder = self._builder
        builder.result = None
        try:
            self._parse(raw, False)
        except ExpatError as error:
            raise ValueError(f"not a well-formed element: {error}") from error
        if builder.result is None:
            raise ValueError("not a complete element")
        return builder.result


class _TreeBuilder:
    """Turns expat's calls into Elements; the first one that is closed at the top is the result."""

    __slots__ = ("_names", "_namespaces", "_open", "result")

    def __init__(self) -> None:
        self.result: Element | None = None
        self._open: list[tuple[str, list[str], list[Element | str]]] = []
        self._namespaces: dict[str, str] = {}  # each once, no matter how many names are in it
        self._names: dict[str, tuple[str, str]] = {}

    def start(self, name: str, attributes: list[str]) -> None:
        self._open.append((name, attributes, []))

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def end(self, _: str) -> None:
        opened = self._open
        if not opened:  # the root itself
            return
        name, flat, children = opened.pop()
        element = Element._of(
            self._names.get(name) or self._split(name), self._attributes(flat) if flat else {}, tuple(children)
        )
        if opened:
            opened[-1][2].append(element)
        elif self.result is None:
            self.result = element

    def _attributes(self, flat: list[str]) -> dict[str | tuple[str, str], str]:
        pairs = zip(flat[::2], flat[1::2], strict=True)
        return {(self._split(key) if SEPARATOR in key else key): value for key, value in pairs}

    def _split(self, expat_name: str) -> tuple[str, str]:
        namespace, name = split_name(expat_name)
        split = self._names[expat_name] = (self._namespaces.setdefault(namespace, namespace), name)
        return split
