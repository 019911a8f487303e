"""Our server sides against a client that others wrote: slixmpp's mechanisms, without its streams."""

from __future__ import annotations

import pytest
from slixmpp.util.sasl.client import MECHANISMS

from gateway.sasl.digest_md5 import DigestMd5Server
from gateway.sasl.mechanism import Challenge, ServerMechanism, Success
from gateway.sasl.plain import PlainServer
from gateway.sasl.scram import BindingType, ChannelBinding, ScramMechanism, ScramServer
from tests.unit.sasl.exchange import ACCOUNT, DECOYS, DOMAIN, PASSWORD, supply

BINDING = ChannelBinding(type=BindingType.TLS_EXPORTER, data=b"e" * 32)


def authenticate(name: str, server: ServerMechanism, **credentials: bytes) -> Success:
    """Run slixmpp's client against the server; it raises when the server does not prove itself."""
    common = {"username": b"juliet", "password": PASSWORD.encode(), "authzid": b"", "channel_binding": b""}
    settings = {"encrypted": True, "encrypted_plain": True, "tls_version": "TLSv1.3", "binding_proposed": True}
    client = MECHANISMS[name](name, common | credentials, settings)
    initial = client.process(b"") if name != "DIGEST-MD5" else None
    step = supply(server, server.begin(initial))
    while isinstance(step, Challenge):
        step = supply(server, server.respond(client.process(step.payload) or b""))
    assert isinstance(step, Success)
    if step.payload:
        client.process(step.payload)
    return step


@pytest.mark.parametrize("mechanism", list(ScramMechanism))
def test_scram(mechanism: ScramMechanism) -> None:
    bindings = [BINDING] if mechanism.plus else []
    server = ScramServer(mechanism, domain=DOMAIN, decoys=DECOYS, token=lambda: "servernonce", bindings=bindings)
    channel_binding = BINDING.data if mechanism.plus else b""
    assert authenticate(mechanism, server, channel_binding=channel_binding).identity == ACCOUNT


def test_plain() -> None:
    assert authenticate("PLAIN", PlainServer(domain=DOMAIN, decoys=DECOYS)).identity == ACCOUNT


def test_digest_md5() -> None:
    server = DigestMd5Server(realm=DOMAIN, peer="example.org", secret="shared", token=lambda: "servernonce")
    done = authenticate(
        "DIGEST-MD5",
        server,
        username=b"example.org",
        password=b"shared",
        realm=DOMAIN.encode(),
        service=b"xmpp",
        host=DOMAIN.encode(),
        **{"service-name": b""},
    )
    assert done.identity == "example.org"
