"""H-05: the handshake of a component is compared by `hmac.compare_digest`."""

from __future__ import annotations

import hmac
from unittest.mock import patch

import pytest

from gateway.features.handshake import Handshake
from gateway.stream.facts import ComponentFacts, Role
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamError
from gateway.xmpp.namespaces import COMPONENT_ACCEPT

BRIDGE = Domain("bridge.test")
FACTS = ComponentFacts(role=Role.RECEIVING, local=BRIDGE, remote=BRIDGE, stream_id="id-1")


@pytest.mark.parametrize("digest", ["0" * 40, "", "x"])
def test_h_05_handshakes_are_compared_in_constant_time(digest: str) -> None:
    with (
        patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare,
        pytest.raises(StreamError, match="secret is wrong"),
    ):
        Handshake({BRIDGE: "secret"}.get).receive(FACTS, Element(COMPONENT_ACCEPT, "handshake", {}, [digest]))
    assert compare.call_count == 1
