"""StreamHeader: the first thing that each side sends (RFC 6120 §4.7, §4.8).

Reading checks the root's namespace, prefix, content namespace and version. Whether the domains in a header are known is
decided by policy, elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

from gateway.stream.known import RootTag
from gateway.stream.records import record
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.digits import read_number
from gateway.xmpp.elements import escape_attribute
from gateway.xmpp.errors import MalformedAddress, StreamCondition, StreamError
from gateway.xmpp.namespaces import DIALBACK, SERVER, STREAMS, XML

Lookup = Callable[[str], Address]

_MOST_VERSION = 999_999  # each part of a version number; there is only 1.0
_MOST_KINDS = 128  # cached headers, without their ids; each is written three times while its stream is opened


def declared_prefixes(content_namespace: str) -> Mapping[str, str]:
    """Return the prefixes that our headers declare, by namespace; our streams are written with them."""
    return _BETWEEN_SERVERS if content_namespace == SERVER else _ELSEWHERE


_BETWEEN_SERVERS = MappingProxyType({STREAMS: "stream", DIALBACK: "db"})
_ELSEWHERE = MappingProxyType({STREAMS: "stream"})


@record(frozen=True, kw_only=True)
class StreamHeader:
    """One stream header. `from_` and `to` are None when absent; `version` is (major, minor), (0, 9) when absent."""

    content_namespace: str
    from_: Address | None = None
    to: Address | None = None
    id: str | None = None
    version: tuple[int, int] = (1, 0)
    lang: str | None = None

    @property
    def from_domain(self) -> Domain | None:
        """The domainpart of 'from'."""
        return self.from_.domain if self.from_ is not None else None

    @property
    def to_domain(self) -> Domain | None:
        """The domainpart of 'to'."""
        return self.to.domain if self.to is not None else None

    @property
    def negotiates(self) -> bool:
        """Return whether stream features are used: from version 1.0 on."""
        return self.version >= (1, 0)


def read_header(root: RootTag, content_namespace: str, lookup: Lookup = Address.parse) -> StreamHeader:
    """Read a root tag as a header, for this content namespace; raise StreamError for any other root."""
    if root.namespace != STREAMS:
        raise StreamError(StreamCondition.INVALID_NAMESPACE, f"the root of a stream must be in the namespace {STREAMS}")
    if root.name != "stream":
        raise StreamError(StreamCondition.BAD_FORMAT, "the root element of a stream must be named 'stream'")
    if not root.prefix:
        raise StreamError(StreamCondition.BAD_NAMESPACE_PREFIX, "the streams namespace needs a prefix")
    if root.declarations.get("") != content_namespace:
        raise StreamError(
            StreamCondition.INVALID_NAMESPACE,
            f"the default namespace of a stream on this port must be {content_namespace}",
        )
    return StreamHeader(
        content_namespace=content_namespace,
        from_=_address(root, "from", lookup),
        to=_address(root, "to", lookup),
        id=root.attributes.get("id"),
        version=_version(root.attributes.get("version")),
        lang=root.attributes.get((XML, "lang")),
    )


def _address(root: RootTag, attribute: str, lookup: Lookup) -> Address | None:
    text = root.attributes.get(attribute)
    if not text:  # COMPAT Prosody 0.12 answers a header without 'from' with to=''
        return None
    try:
        return lookup(text)
    except MalformedAddress as error:
        condition = StreamCondition.INVALID_FROM if attribute == "from" else StreamCondition.HOST_UNKNOWN
        raise StreamError(
            condition, f"the '{attribute}' of the stream header is not an address: {error.problem}"
        ) from error


def _version(text: str | None) -> tuple[int, int]:
    if text == "1.0":
        return (1, 0)
    if text is None:
        return (0, 9)
    major, _, minor = text.partition(".")
    numbers = read_number(major, _MOST_VERSION), read_number(minor, _MOST_VERSION)
    if numbers[0] is None or numbers[1] is None:
        raise StreamError(StreamCondition.UNSUPPORTED_VERSION, "the version of a stream must look like 1.0")
    return (numbers[0], numbers[1])


def version_to_send(theirs: tuple[int, int] | None) -> tuple[int, int]:
    """Return our version, given the other side's if it came first: 1.0, or none in answer to none (§4.7.5)."""
    return (0, 9) if theirs is not None and theirs < (1, 0) else (1, 0)


def check_same(before: StreamHeader, now: StreamHeader) -> None:
    """Check that a header after a restart has the same addresses as the first; otherwise rights would be unclear."""
    if before.from_ is not None and now.from_ != before.from_:
        raise StreamError(StreamCondition.INVALID_FROM, "'from' differs from that before the stream was restarted")
    if before.to is not None and now.to != before.to:
        raise StreamError(StreamCondition.HOST_UNKNOWN, "'to' differs from that before the stream was restarted")


def write_header(header: StreamHeader) -> bytes:
    """Return the header as bytes, with the XML declaration before it (RFC 6120 §11.5)."""
    from_ = header.from_.full if header.from_ is not None else None
    if from_ is None and header.id is not None:
        from_ = ""  # we answer, but are not the host that the other side asked for (RFC 6120 §4.9.1.3)
    to = header.to.full if header.to is not None else None
    version = "1.0" if header.negotiates else None
    beginning, end = _around_id(header.content_namespace, from_, to, version, header.lang)
    return f"{beginning}{_attributes(id=header.id)}{end}".encode()


@lru_cache(_MOST_KINDS)
def _around_id(
    content_namespace: str, from_: str | None, to: str | None, version: str | None, lang: str | None
) -> tuple[str, str]:
    """Return the parts of a header before and behind the id, which are the same for the same two domains."""
    declared = {f"xmlns:{prefix}": uri for uri, prefix in declared_prefixes(content_namespace).items()}
    beginning = _attributes(xmlns=content_namespace, **declared, **{"from": from_, "to": to})
    end = _attributes(version=version, **{"xml:lang": lang})
    return f"<?xml version='1.0'?><stream:stream{beginning}", f"{end}>"


def _attributes(**named: str | None) -> str:
    return "".join([f" {name}='{escape_attribute(value)}'" for name, value in named.items() if value is not None])
