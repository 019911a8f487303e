"""Known bytes: sequences that peers repeat whenever they open a stream, cached with their meaning.

These are the header, which is the root tag with what precedes it (RFC 6120 §4.7), and those elements of a negotiation
that are the same for all peers, none of which is secret. They have passed every check once; the same bytes pass again.
The cache is bounded in number and size.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gateway.stream.budget import Budget
from gateway.stream.expat import XMLChecker
from gateway.stream.framing import Count
from gateway.stream.scope import Scope
from gateway.xmpp.elements import SEPARATOR, Element, parse_element, split_name
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.markup import INSIDE_TAG
from gateway.xmpp.namespaces import XML

# A header and nothing else; one with an id occurs only once.
_USUAL_OPENING = re.compile(rb"<\?xml[^>]*+>\s*+<stream:stream(?![^>]*\sid=)" + INSIDE_TAG + b">")
_WORD = re.compile(
    rb"<(?:starttls|proceed|success)\s[^>]*+(?<=/)>"
    rb"|<auth\s(?=[^>]*\smechanism=['\"]EXTERNAL['\"])[^>]*+>[A-Za-z0-9+/=]*+</auth>"
)
_LONGEST_OPENING = 1024  # bytes
_LONGEST_WORD = 256
_MOST_OPENINGS = 256  # cached, with their meaning
_MOST_WORDS = 64
_MOST_DECLARATIONS = 20  # of namespaces in a stream header; real ones have three to five
_ANY_TAG = re.compile(rb"<([^\s/>]++)" + INSIDE_TAG + rb"(/?+)>")


@dataclass(frozen=True, kw_only=True)
class RootTag:
    """A stream's start tag as received: expanded name, prefix, attributes, namespaces declared by prefix."""

    namespace: str
    name: str
    prefix: str
    attributes: dict[str | tuple[str, str], str]
    declarations: dict[str, str]


class Opening(NamedTuple):
    """The header of a stream; `size` in bytes, with what precedes it; `ends`: the stream ends with it."""

    root: RootTag
    scope: Scope
    size: int
    ends: bool


def known_opening(data: bytes, budget: Budget) -> Opening | None:
    """Return the usual header that these bytes are, if they are exactly one."""
    return _opening(data, budget) if len(data) <= _LONGEST_OPENING and _USUAL_OPENING.fullmatch(data) else None


@lru_cache(_MOST_OPENINGS)
def _opening(header: bytes, budget: Budget) -> Opening | None:
    checker = XMLChecker()
    checker.most_attributes = budget.attributes
    try:
        checker.feed(header)
        return read_opening(checker, header, budget)
    except StreamError:
        return None  # reported when the header is read normally


def known_word(data: bytes, start_tag: bytes, budget: Budget) -> Element | None:
    """Return the element that these bytes are, if exactly one, on a stream whose root has this start tag."""
    return _word(data, start_tag, budget) if len(data) <= _LONGEST_WORD and _WORD.fullmatch(data) else None


@lru_cache(_MOST_WORDS)
def _word(word: bytes, start_tag: bytes, budget: Budget) -> Element | None:
    checker = XMLChecker()
    checker.begin_with(start_tag)
    checker.most_attributes = budget.attributes
    try:
        checker.feed(word)
        budget.check_whole(word)
    except StreamError:
        return None
    return parse_element(word, start_tag) if Count().end(word, 0, len(word)) == len(word) else None


def read_opening(checker: XMLChecker, buffer: bytes, budget: Budget) -> Opening | None:
    """Return the header that the checker has seen in `buffer`, if it is complete."""
    if checker.root is None:
        return None
    offset, expat_name, attributes, declarations = checker.root
    tag = _ANY_TAG.match(buffer, offset)
    assert tag is not None
    budget.check_size(tag.end())
    budget.check_attributes(tag[0])
    if len(declarations) > _MOST_DECLARATIONS:
        raise StreamError(StreamCondition.POLICY_VIOLATION, "the stream header declares too many namespaces")
    name = tag[1].decode()
    root = _root_tag(expat_name, name, attributes, declarations)
    scope = Scope(name, declarations, root.attributes.get((XML, "lang")))
    return Opening(root, scope, tag.end(), ends=bool(tag[2]))


def _root_tag(expat_name: str, written_name: str, attributes: dict[str, str], declarations: dict[str, str]) -> RootTag:
    namespace, name = split_name(expat_name)
    return RootTag(
        namespace=namespace,
        name=name,
        prefix=written_name.rpartition(":")[0],
        attributes={(split_name(key) if SEPARATOR in key else key): value for key, value in attributes.items()},
        declarations=declarations,
    )
