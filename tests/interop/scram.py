"""SCRAM as a client sees it, written down once more from RFC 5802, so that our own code is not its own judge."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from xml.etree.ElementTree import Element

from tests.interop.probe import SASL, Probe

CHANNEL = "tls-server-end-point"


async def scram(probe: Probe, user: str, password: str, mechanism: str) -> Element:
    """Log in by a mechanism, with the server's certificate as channel where it is a -PLUS one; the last answer."""
    plus = mechanism.endswith("-PLUS")
    algorithm = "sha256" if "SHA-256" in mechanism else "sha1"
    gs2 = f"p={CHANNEL},," if plus else "n,,"
    bare = f"n={user},r=rOprNGfwEbeRWgbNEkqO"
    challenge = await _say(probe, f"<auth xmlns='{SASL}' mechanism='{mechanism}'>", gs2 + bare, "auth")
    if not challenge.tag.endswith("challenge"):
        return challenge
    server_first = b64decode(challenge.text or "").decode()
    told = dict(part.split("=", 1) for part in server_first.split(","))
    channel = hashlib.sha256(probe.peer_certificate or b"").digest() if plus else b""
    final = f"c={b64encode(gs2.encode() + channel).decode()},r={told['r']}"
    signed = f"{bare},{server_first},{final}".encode()

    salted = hashlib.pbkdf2_hmac(algorithm, password.encode(), b64decode(told["s"]), int(told["i"]))
    key = hmac.digest(salted, b"Client Key", algorithm)
    signature = hmac.digest(hashlib.new(algorithm, key).digest(), signed, algorithm)
    proof = b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
    answer = await _say(probe, f"<response xmlns='{SASL}'>", f"{final},p={proof}", "response")
    if answer.tag.endswith("success"):
        expected = hmac.digest(hmac.digest(salted, b"Server Key", algorithm), signed, algorithm)
        assert b64decode(answer.text or "") == b"v=" + b64encode(expected), "the server has not proved itself"
    return answer


async def _say(probe: Probe, start: str, payload: str, name: str) -> Element:
    await probe.type(f"{start}{b64encode(payload.encode()).decode()}</{name}>")
    return await probe.element()
