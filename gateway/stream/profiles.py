"""Profiles: the kinds of streams, as values (content namespace, features in order of preference).

A new kind of stream is one more profile and one more port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gateway.stream.facts import ClientFacts, ComponentFacts, Facts, ServerFacts
from gateway.stream.negotiation import StreamFeature
from gateway.xmpp.namespaces import CLIENT, COMPONENT_ACCEPT, SERVER


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One kind of stream."""

    content_namespace: str
    facts: type[Facts]  # what is known on such a stream; the features are for these
    features: tuple[StreamFeature[Any], ...]
    negotiates: bool = True  # False: no version, no stream features, as in XEP-0114
    content_aliases: frozenset[str] = frozenset()
    binds_channels: bool = (
        False  # whether passwords are proved on it, with proofs that may be bound to the TLS connection
    )

    @cached_property
    def receivers(self) -> Mapping[tuple[str, str], StreamFeature[Any]]:
        """The feature that receives a top-level element, by namespace and name."""
        return {key: feature for feature in self.features for key in feature.handles}

    @cached_property
    def openers(self) -> Sequence[StreamFeature[Any]]:
        """The features that may have a question once the other side's header is accepted."""
        return [feature for feature in self.features if type(feature).opened is not StreamFeature.opened]

    @cached_property
    def answerers(self) -> Mapping[type, StreamFeature[Any]]:
        """The feature that asked the question, by the type of its answer."""
        return {kind: feature for feature in self.features for kind in feature.answers}


def server_profile(*features: StreamFeature[ServerFacts]) -> Profile:
    """Return the profile of a server-to-server stream."""
    # COMPAT servers that pass on their clients' stanzas unchanged, in jabber:client, which means the same
    return Profile(content_namespace=SERVER, facts=ServerFacts, features=features, content_aliases=frozenset({CLIENT}))


def client_profile(*features: StreamFeature[ClientFacts]) -> Profile:
    """Return the profile of a client-to-server stream."""
    return Profile(content_namespace=CLIENT, facts=ClientFacts, features=features, binds_channels=True)


def component_profile(*features: StreamFeature[ComponentFacts]) -> Profile:
    """Return the profile of an external component's stream (XEP-0114 §3)."""
    # COMPAT jabberd2 2.7, slixmpp: stanzas in jabber:client on a component's stream
    return Profile(
        content_namespace=COMPONENT_ACCEPT,
        facts=ComponentFacts,
        features=features,
        negotiates=False,
        content_aliases=frozenset({CLIENT}),
    )
