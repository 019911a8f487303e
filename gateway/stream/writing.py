"""Writing: what is neither header nor stanza, as the bytes in which it goes out on a stream (RFC 6120 §4.3.2, §4.8)."""

from __future__ import annotations

from functools import lru_cache

from gateway.stream.header import declared_prefixes
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import STREAMS

_MOST_KINDS = 256  # of features that are offered together, and of elements that are all in their name


def write_element(element: Element, content_namespace: str) -> bytes:
    """A top-level element on a stream for this content namespace."""
    if not (element.children or element.attributes):
        return _bare(element.namespace, element.name, content_namespace)
    return element.serialize(content_namespace, declared_prefixes(content_namespace))


@lru_cache(_MOST_KINDS)
def _bare(namespace: str, name: str, content_namespace: str) -> bytes:
    """What is all in its name, as `<proceed/>`."""
    return Element(namespace, name).serialize(content_namespace, declared_prefixes(content_namespace))


@lru_cache(_MOST_KINDS)
def write_features(content_namespace: str, *offers: Element) -> bytes:
    """The stream features with these offers; most streams are offered the same."""
    return write_element(Element(STREAMS, "features", {}, offers), content_namespace)
