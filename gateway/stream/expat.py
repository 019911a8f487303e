"""XMLChecker: expat, set up to refuse what RFC 6120 §11.1 forbids, and to say how far it has accepted the bytes.

Once the root has been seen it runs without element handlers: it only has to check well-formedness, namespaces, and
forbidden XML, and handlers for forbidden XML cost nothing while they are not called.

Two kinds of tags are expensive for expat, so a large tag is held back until its end is here, and checked first: a tag
that comes in many pieces, because expat before 2.6 reads it again from its start with every piece (CVE-2023-52425); and
a tag with a long namespace and many attributes, because expat copies the namespace before each of them. No large tag
slips through in one piece, because data that could hold one is passed to expat in small slices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pyexpat import ExpatError, ParserCreate, errors
from typing import TYPE_CHECKING, Any
from weakref import proxy

from gateway.stream.framing import attributes
from gateway.xmpp.elements import SEPARATOR
from gateway.xmpp.errors import StreamError
from gateway.xmpp.faults import Fault, stream_error
from gateway.xmpp.markup import INSIDE_TAG

if TYPE_CHECKING:
    from pyexpat import XMLParserType

# expat 2.6 and later may hold back a finished token until more comes, which on a stream may be never.
_MAY_DEFER = hasattr(ParserCreate(), "SetReparseDeferralEnabled")
_LARGE = 512  # bytes of an unfinished token
_LONGEST_NAMESPACE = 2 * _LARGE  # a declaration can hide in a tag across two slices

_SMALL_TAG = re.compile(b"<" + INSIDE_TAG + b"/?>")
_OTHER_ENCODINGS = (b"\xfe\xff", b"\xff\xfe", b"\x00", b"<\x00")  # UTF-16 and UTF-32, with or without a BOM
_NO_CDATA = re.compile(rb"<!(?:\[[A-Z]*+)?\Z")  # what precedes a fault and cannot be the start of a CDATA section
_FORBIDDEN = {
    errors.codes[errors.XML_ERROR_UNDEFINED_ENTITY]: "a reference to an entity",
    errors.codes[errors.XML_ERROR_MISPLACED_XML_PI]: "a processing instruction",
}
_FAULTS = {
    errors.codes[errors.XML_ERROR_UNKNOWN_ENCODING]: Fault.OTHER_ENCODING,
    errors.codes[errors.XML_ERROR_INCORRECT_ENCODING]: Fault.OTHER_ENCODING,
}
_KNOWN_ROOT: tuple[int, str, dict[str, str], dict[str, str]] = (0, "", {}, {})  # of which nobody asks more


class XMLChecker:
    """One document: `feed` it; it raises StreamError, and `passed` counts the bytes accepted so far.

    That includes the unfinished token; after a fault it is the offset of the fault, perhaps inside a token.
    """

    def __init__(self) -> None:
        self.most_attributes = 1000  # the limit for a large tag
        self.passed = 0
        self.saw_cdata = False
        # The root, once seen: offset of its tag, expanded name, attributes, declarations by prefix.
        self.root: tuple[int, str, dict[str, str], dict[str, str]] | None = None
        self._declarations: dict[str, str] = {}
        self._first: bytes | None = b""  # the bytes so far, while they are too few to recognise the encoding
        self._fed = 0
        self._tail = b""  # the unfinished token
        self._held: _HeldToken | None = None
        self._parser: Any = None  # made when there is something to check
        self._start = b""  # what a parser must read before it can continue

    def feed(self, data: bytes) -> None:
        """Check more bytes; raise StreamError if they, or what they complete, are not allowed in a stream."""
        if self._first is not None:
            data = self._first + data
            if len(data) < 2:
                self._first = data
                return
            self._first = None
            if data.startswith(_OTHER_ENCODINGS):
                raise stream_error(Fault.OTHER_ENCODING, "the encoding of a stream must be UTF-8")
        if self._held is None and not _may_hold_large_tag(data, inside_token=bool(self._tail)):
            self._take(data)
        else:
            for piece in _slices(data):
                self._take(piece)

    def begin_with(self, start: bytes) -> None:
        """Begin with a document of which only this start tag of its root is known."""
        self._first = None
        self.root = _KNOWN_ROOT
        self.rest(start)

    def rest(self, start: bytes) -> None:
        """Drop the parser until there is more to check, as if the document consisted only of this start so far."""
        self._parser = None
        self._start = start
        self.passed = self._fed = len(start)
        self._tail = b""

    def _wake(self) -> XMLParserType:
        parser = self._parser = self._make_parser(knows_root=bool(self._start))
        parser.Parse(self._start, False)
        return parser

    def _take(self, data: bytes) -> None:
        if self._held is not None:
            if not self._held.completed_by(data):
                return
            data = self._held.release()
            self._held = None
            if self._tail.startswith(b"<") and not self._tail.startswith(b"<?"):
                _check_large_tag(self._tail + data, self.most_attributes)
        self._parse(data)
        self._look_at_unfinished(data)

    def _parse(self, data: bytes) -> None:
        parser = self._parser or self._wake()
        self._fed += len(data)
        try:
            parser.Parse(data, False)
        except ExpatError as error:
            code = error.code
        else:
            self.passed = parser.CurrentByteIndex
            return
        self.passed = parser.ErrorByteIndex
        before = (self._tail + data)[: len(self._tail + data) - (self._fed - self.passed)]
        raise _fault(code, before)

    def _look_at_unfinished(self, data: bytes) -> None:
        """Refuse early what can only become forbidden, and hold back a token that has grown large."""
        unfinished = self._fed - self.passed
        if self.root is None and b"<!" in (self._tail + data)[: -unfinished or None]:
            raise _restricted("a comment or document type declaration")
        if unfinished <= 0:
            self._tail = b""
            return
        self._tail = tail = (self._tail + data)[-unfinished:]
        if tail.startswith(b"<!") and not b"<![CDATA[".startswith(tail[:9]):
            raise _restricted("a comment or document type declaration")
        if tail.startswith(b"<?") and (self.root is not None or not b"<?xml".startswith(tail[:5])):
            raise _restricted("a processing instruction")
        if unfinished > _LARGE:
            self._held = _HeldToken(tail)

    def _make_parser(self, *, knows_root: bool = False) -> XMLParserType:
        parser = ParserCreate("utf-8", SEPARATOR)
        if _MAY_DEFER:
            parser.SetReparseDeferralEnabled(False)
        # Handlers that referred to this object would keep expat's memory until the garbage collector runs.
        checker = proxy(self)
        if not knows_root:
            parser.StartNamespaceDeclHandler = partial(XMLChecker._declared, checker)
            parser.StartElementHandler = partial(XMLChecker._root_opened, checker)
            parser.XmlDeclHandler = self._xml_declared
        parser.StartDoctypeDeclHandler = partial(XMLChecker._refuse, checker, "a document type declaration")
        parser.ProcessingInstructionHandler = partial(XMLChecker._refuse, checker, "a processing instruction")
        parser.CommentHandler = partial(XMLChecker._refuse, checker, "a comment")
        parser.StartCdataSectionHandler = partial(XMLChecker._cdata_opened, checker)
        return parser

    def _declared(self, prefix: str | None, uri: str | None) -> None:
        self._declarations[prefix or ""] = uri or ""

    def _root_opened(self, expat_name: str, attributes: dict[str, str]) -> None:
        self._parser.StartElementHandler = None
        self._parser.StartNamespaceDeclHandler = None
        self.root = (self._parser.CurrentByteIndex, expat_name, attributes, self._declarations)

    def _cdata_opened(self) -> None:
        self.saw_cdata = True

    def _refuse(self, what: str, *_: object) -> None:
        self.passed = self._parser.CurrentByteIndex  # expat reads on to the end of its data, so later would be too late
        raise _restricted(what)

    @staticmethod
    def _xml_declared(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise stream_error(Fault.OTHER_ENCODING, "the encoding of a stream must be UTF-8")


def _fault(code: int, before: bytes) -> StreamError:
    """Return the fault that expat found, behind these bytes."""
    if _NO_CDATA.search(before):
        return _restricted("a comment or document type declaration")
    if code in _FORBIDDEN:
        return _restricted(_FORBIDDEN[code])
    return stream_error(_FAULTS.get(code, Fault.NOT_WELL_FORMED), errors.messages[code])


def _restricted(what: str) -> StreamError:
    return stream_error(Fault.RESTRICTED_XML, f"{what} is not allowed in a stream")


def _may_hold_large_tag(data: bytes, *, inside_token: bool) -> bool:
    """Return whether a tag in `data` may be large; one that began earlier is assumed to reach up to the next one."""
    position = 0
    while len(data) - position > _LARGE:
        found = data.rfind(b"<", position, position + _LARGE)
        if found < 0:
            # A tag contains no '<', so only the one just before this gap could be large; otherwise this is text.
            if not _SMALL_TAG.match(data, position - 1, position + _LARGE) if position else inside_token:
                return True
            found = data.find(b"<", position + _LARGE)
            if found < 0:
                return False
        position = found + 1
    return False


def _slices(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _LARGE] for start in range(0, len(data), _LARGE))


def _check_large_tag(tag: bytes, most_attributes: int) -> None:
    for number, (name, value) in enumerate(attributes(tag), 1):
        if name.startswith(b"xmlns") and len(value) > _LONGEST_NAMESPACE:
            raise stream_error(Fault.TOO_MANY_ATTRIBUTES, f"a namespace of more than {_LONGEST_NAMESPACE} bytes")
        if number > most_attributes:
            raise stream_error(Fault.TOO_MANY_ATTRIBUTES, f"more than {most_attributes} attributes in one tag")


class _HeldToken:
    """A large tag or reference, searched once for its end while it comes in."""

    # What matters next, depending on where we are. A '<' also ends a tag: it is an error there, which expat will
    # report.
    _STOPS = {
        b"<": re.compile(rb"[<>'\"]"),
        b"'": re.compile(rb"[<']"),
        b'"': re.compile(rb"[<\"]"),
        b"&": re.compile(rb"[^#.:\w\x80-\xff-]"),
    }

    def __init__(self, start: bytes) -> None:
        self._pieces: list[bytes] = []
        self._inside = b"<" if start.startswith(b"<") else b"&"
        self.completed_by(start[1:])
        self._pieces.clear()  # expat already has these bytes

    def completed_by(self, data: bytes) -> bool:
        """Return whether the token's end is in `data`."""
        self._pieces.append(data)
        position = 0
        while found := self._STOPS[self._inside].search(data, position):
            if self._inside == b"&" or found[0] in b"<>":
                return True
            self._inside = b"<" if self._inside == found[0] else found[0]
            position = found.end()
        return False

    def release(self) -> bytes:
        """Return what came in since it was held."""
        return b"".join(self._pieces)
