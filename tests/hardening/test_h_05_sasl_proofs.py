"""H-05: what proves a SASL exchange is compared by `hmac.compare_digest`, on both sides."""

from __future__ import annotations

import hmac

import pytest

from gateway.sasl.digest_md5 import DigestMd5Client, DigestMd5Server
from gateway.sasl.keys import ScramHash
from gateway.sasl.mechanism import ClientMechanism, ServerMechanism
from gateway.sasl.plain import PlainClient, PlainServer
from gateway.sasl.scram import ScramClient, ScramMechanism, ScramServer
from tests.unit.sasl.exchange import DECOYS, DOMAIN, KEYS, PASSWORD, authenticate

SCRAM = ScramMechanism.SHA_256
EXCHANGES: dict[str, tuple[ClientMechanism, ServerMechanism, int]] = {
    # the mechanisms, and how many proofs are compared
    "SCRAM": (
        ScramClient(SCRAM, username="juliet", password=PASSWORD, token=lambda: "c"),
        ScramServer(SCRAM, domain=DOMAIN, decoys=DECOYS, token=lambda: "s"),
        2,
    ),
    "PLAIN": (PlainClient(username="juliet", password=PASSWORD), PlainServer(domain=DOMAIN, decoys=DECOYS), 1),
    "DIGEST-MD5": (
        DigestMd5Client(username="example.org", secret=PASSWORD, target=DOMAIN, token=lambda: "c"),
        DigestMd5Server(realm=DOMAIN, peer="example.org", secret=PASSWORD, token=lambda: "s"),
        2,
    ),
}


@pytest.mark.parametrize(("client", "server", "proofs"), EXCHANGES.values(), ids=EXCHANGES)
def test_h_05_proofs_are_compared_in_constant_time(
    client: ClientMechanism, server: ServerMechanism, proofs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    compare = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        lengths.append(len(one))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    authenticate(client, server)
    # A proof has the length of a hash: 32 bytes, also in the hexadecimal digits of MD5.
    assert lengths.count(KEYS[ScramHash.SHA_256].hash.size) == proofs
