"""Profiles: the kinds of streams, as values (content namespace, features in order of preference).

A new kind of stream is one more profile and one more door.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.namespaces import CLIENT, COMPONENT_ACCEPT, SERVER
from gateway.stream.negotiation import StreamFeature


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of stream."""

    content_namespace: str
    features: tuple[StreamFeature, ...]
    negotiates: bool = True  # False: no version, no stream features, as in XEP-0114
    content_aliases: frozenset[str] = frozenset()


def server_profile(*features: StreamFeature) -> Profile:
    """A server-to-server stream."""
    return Profile(content_namespace=SERVER, features=features)


def client_profile(*features: StreamFeature) -> Profile:
    """A client-to-server stream."""
    return Profile(content_namespace=CLIENT, features=features)


def component_profile(*features: StreamFeature) -> Profile:
    """An external component's stream (XEP-0114 §3)."""
    # COMPAT jabberd2 2.7, slixmpp: stanzas in jabber:client on a component's stream
    return Profile(
        content_namespace=COMPONENT_ACCEPT, features=features, negotiates=False, content_aliases=frozenset({CLIENT})
    )
