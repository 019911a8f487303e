"""Feature 4-1: TLS by STARTTLS and from the first byte, in versions 1.2 and 1.3 (RFC 6120 §5, RFC 7590, XEP-0368)."""

from __future__ import annotations

import ssl

import pytest

from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER, SERVER_TLS
from tests.interop.probe import TLS, client_tls, dial

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A context for that version of TLS alone."""
    context = client_tls(alpn=True)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", VERSIONS)
async def test_starttls(gateway: Peer, version: ssl.TLSVersion) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        assert (await probe.element()).find(f"{{{TLS}}}starttls") is not None
        await probe.secure(only(version), "gateway.test")
        await probe.open("probe.test", "gateway.test")
        assert (await probe.element()).find(f"{{{TLS}}}starttls") is None


@pytest.mark.parametrize("version", VERSIONS)
async def test_direct_tls(gateway: Peer, version: ssl.TLSVersion) -> None:
    async with dial(gateway.address, SERVER_TLS, context=only(version), server_name="gateway.test") as probe:
        assert probe.alpn == "xmpp-server"
        assert (await probe.open("probe.test", "gateway.test")).get("from") == "gateway.test"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")  # just what is shown to be refused
async def test_older_versions_are_refused(gateway: Peer) -> None:
    context = client_tls()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        async with dial(gateway.address, SERVER_TLS, context=context, server_name="gateway.test"):
            pass
