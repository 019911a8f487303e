"""Judge: expat, set up to refuse what RFC 6120 §11.1 forbids, and to say how far it has agreed.

It runs without element handlers once the root has been seen: well-formedness, namespaces, and forbidden
XML are all that is asked of it, and handlers for the forbidden cost nothing while they do not fire.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pyexpat import ExpatError, ParserCreate, errors
from typing import Any

from gateway.elements import SEPARATOR
from gateway.errors import StreamCondition, StreamError

# A token that has grown this far is read here first and shown to expat once it is whole: expat before 2.6 reads an
# unfinished token again from its start at every call (CVE-2023-52425).
_LARGE_TOKEN = 1024

_END_OF_TAG_OR_QUOTE = re.compile(rb"""[>'"]""")
_OTHER_ENCODINGS = (b"\xfe\xff", b"\xff\xfe", b"\x00", b"<\x00")  # UTF-16 and UTF-32, with and without their mark
_CONDITIONS = {
    errors.codes[errors.XML_ERROR_UNDEFINED_ENTITY]: StreamCondition.RESTRICTED_XML,
    errors.codes[errors.XML_ERROR_UNKNOWN_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
    errors.codes[errors.XML_ERROR_INCORRECT_ENCODING]: StreamCondition.UNSUPPORTED_ENCODING,
}


class Judge:
    """One document: `feed` it; it raises StreamError, and `passed` counts the bytes found good so far."""

    def __init__(self) -> None:
        self.passed = 0
        self.saw_cdata = False
        # The root, once seen: offset of its tag, expanded name, attributes, declarations by prefix.
        self.root: tuple[int, str, dict[str, str], dict[str, str]] | None = None
        self._declarations: dict[str, str] = {}
        self._started = False
        self._fed = 0
        self._tail = b""  # of what was fed, the unfinished token
        self._held: _HeldToken | None = None
        self._parser = self._make_parser()

    def feed(self, data: bytes) -> None:
        """Judge more bytes; raises StreamError when they, or what they complete, may not be in a stream."""
        if not self._started and data:
            self._started = True
            if data.startswith(_OTHER_ENCODINGS):
                raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "the encoding of a stream is UTF-8")
        if self._held is not None:
            if not self._held.completed_by(data):
                return
            data = self._held.release()
            self._held = None
        self._parse(data)
        self._look_at_unfinished(data)

    def _parse(self, data: bytes) -> None:
        parser = self._parser
        self._fed += len(data)
        try:
            parser.Parse(data, False)
        except ExpatError as error:
            self.passed = parser.ErrorByteIndex
            at_fault = (self._tail + data)[self.passed - self._fed :]
            if (self._tail + data)[: -len(at_fault)].endswith(b"<!"):
                raise _restricted("a document type declaration") from error
            condition = _CONDITIONS.get(error.code, StreamCondition.NOT_WELL_FORMED)
            raise StreamError(condition, errors.messages[error.code]) from error
        self.passed = parser.CurrentByteIndex

    def _look_at_unfinished(self, data: bytes) -> None:
        """Refuse early what can only become forbidden, and hold back what has grown large."""
        unfinished = self._fed - self.passed
        if unfinished <= 0:
            self._tail = b""
            return
        self._tail = (self._tail + data)[-unfinished:]
        tail = self._tail
        if tail.startswith(b"<!") and not b"<![CDATA[".startswith(tail[:9]):
            raise _restricted("a comment or document type declaration")
        if tail.startswith(b"<?") and (self.root is not None or not b"<?xml".startswith(tail[:5])):
            raise _restricted("a processing instruction")
        if unfinished > _LARGE_TOKEN:
            if not tail.startswith(b"<"):
                raise StreamError(StreamCondition.NOT_WELL_FORMED, "a reference that does not end")
            self._held = _HeldToken(tail)
            self._tail = b""

    def _make_parser(self) -> Any:
        parser = ParserCreate("utf-8", SEPARATOR)
        parser.StartNamespaceDeclHandler = self._declared
        parser.StartElementHandler = self._root_opened
        parser.XmlDeclHandler = self._xml_declared
        parser.StartDoctypeDeclHandler = self._refuse("a document type declaration")
        parser.ProcessingInstructionHandler = self._refuse("a processing instruction")
        parser.CommentHandler = self._refuse("a comment")
        parser.StartCdataSectionHandler = self._cdata_opened
        return parser

    def _declared(self, prefix: str | None, uri: str | None) -> None:
        self._declarations[prefix or ""] = uri or ""

    def _root_opened(self, expat_name: str, attributes: dict[str, str]) -> None:
        self._parser.StartElementHandler = None
        self._parser.StartNamespaceDeclHandler = None
        self.root = (self._parser.CurrentByteIndex, expat_name, attributes, self._declarations)

    def _cdata_opened(self) -> None:
        self.saw_cdata = True

    def _refuse(self, what: str) -> Callable[..., None]:
        def refuse(*_: object) -> None:
            self.passed = self._parser.CurrentByteIndex  # later is too late: expat reads on to the end of its data
            raise _restricted(what)

        return refuse

    @staticmethod
    def _xml_declared(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() != "utf-8":
            raise StreamError(StreamCondition.UNSUPPORTED_ENCODING, "the encoding of a stream is UTF-8")


def _restricted(what: str) -> StreamError:
    return StreamError(StreamCondition.RESTRICTED_XML, f"{what} is not allowed in a stream")


class _HeldToken:
    """A large start tag, read once for its end while it comes in."""

    def __init__(self, start: bytes) -> None:
        self._pieces: list[bytes] = []
        self._quote: bytes | None = None
        self.completed_by(start)
        self._pieces.clear()  # expat has these bytes already

    def completed_by(self, data: bytes) -> bool:
        """Whether the tag's closing '>' is in `data`, outside quotes."""
        self._pieces.append(data)
        position = 0
        while True:
            if self._quote is not None:
                closing = data.find(self._quote, position)
                if closing < 0:
                    return False
                self._quote, position = None, closing + 1
            found = _END_OF_TAG_OR_QUOTE.search(data, position)
            if found is None:
                return False
            if found[0] == b">":
                return True
            self._quote, position = found[0], found.end()

    def release(self) -> bytes:
        """What came in since it was held."""
        return b"".join(self._pieces)
