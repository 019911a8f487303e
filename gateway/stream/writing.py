"""Writing: elements other than headers and stanzas, as bytes for a stream (RFC 6120 §4.3.2, §4.8)."""

from __future__ import annotations

from functools import lru_cache

from gateway.stream.header import declared_prefixes
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import STREAMS

_MOST_KINDS = 256  # cached features that are offered together, and cached elements without content


def write_element(element: Element, content_namespace: str) -> bytes:
    """Return a top-level element as bytes for a stream with this content namespace."""
    if not (element.children or element.attributes):
        return _bare(element.namespace, element.name, content_namespace)
    return element.serialize(content_namespace, declared_prefixes(content_namespace))


@lru_cache(_MOST_KINDS)
def _bare(namespace: str, name: str, content_namespace: str) -> bytes:
    """Return an element without attributes and content, such as `<proceed/>`."""
    return Element(namespace, name).serialize(content_namespace, declared_prefixes(content_namespace))


@lru_cache(_MOST_KINDS)
def write_features(content_namespace: str, *offers: Element) -> bytes:
    """Return the stream features with these offers; most streams are offered the same."""
    return write_element(Element(STREAMS, "features", {}, offers), content_namespace)
