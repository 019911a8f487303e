"""C-9: what means the same in another namespace is taken: bidi as ejabberd asks for it, stanzas in jabber:client."""

from __future__ import annotations

import pytest

from gateway.features.bidi import Bidirectional
from gateway.features.starttls import StartTLS
from gateway.stream.facts import Role, ServerFacts, TLSFacts
from gateway.stream.profiles import server_profile
from gateway.xmpp.namespaces import BIDI, BIDI_FEATURE
from gateway.xmpp.stanzas import Stanza
from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World
from tests.support.ends import server
from tests.support.pair import make_stream
from tests.support.talk import Talk, header, server_features

CLIENTS = (
    "<{kind} xmlns='jabber:client' from='a@theirs.test' to='juliet@ours.test' id='{kind}'><body>Hi</body></{kind}>"
)


@pytest.mark.parametrize("namespace", [BIDI, BIDI_FEATURE])
def test_f_c_9_bidi_is_asked_for_in_either_namespace(namespace: str) -> None:
    profile = server_profile(StartTLS(), *server_features(Role.RECEIVING).features, Bidirectional())
    talking = Talk(make_stream(profile, ServerFacts(role=Role.RECEIVING, tls=TLSFacts())))
    talking.hear(header(), f"<bidi xmlns='{namespace}'/>")
    assert talking.error is None
    assert talking.stream.facts.bidirectional


def test_f_c_9_stanzas_in_jabber_client_pass_between_servers() -> None:
    end = server()
    end.type(*(CLIENTS.format(kind=kind) for kind in ("message", "presence")), end.good("1"))
    assert (end.condition, end.arrived()) == (None, ["message", "presence", "1"])
    for got in end.there.got:
        assert isinstance(got, Stanza)
        assert b"xmlns" not in got.raw
        assert got.element.first(got.element.namespace, "body") is not None


@pytest.mark.parametrize("namespace", ["jabber:component:accept", "jabber:server:dialback", "urn:x"])
def test_f_c_9_in_no_other(namespace: str) -> None:
    end = server()
    end.type(CLIENTS.format(kind="message").replace("jabber:client", namespace))
    assert end.condition == "unsupported-stanza-type"


async def test_f_c_9_on_the_wire(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", component.jid)
        await probe.type(
            f"<message xmlns='jabber:client' from='a@probe.test' to='{component.jid}'><body>1</body></message>"
        )
        await component.expect_message("1")
