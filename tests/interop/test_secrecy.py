"""No secret reaches the log, however much is logged and however wrong things go, nor a file that others may read."""

from __future__ import annotations

import asyncio
import re
import stat
from base64 import b64encode
from hashlib import sha1, sha256
from pathlib import Path

import pytest

from gateway.net.throwaway_ca import self_signed
from tests.interop.clients import Client, LoginError, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import CLIENT, COMPONENT
from tests.interop.probe import dial

SECRET = "what the component and we share"
DIGEST_SECRET = "what the other server and we share"
PASSWORD = "by any other name"
DOMAIN = "secret.test"


@pytest.fixture
def gateway(start: Starter) -> Gateway:
    options = {
        "domains": {"people.secret.test": {"serve": "im"}},
        "peers": {"digest.test": {"authenticate": ["digest-md5"], "digest_md5_secret": DIGEST_SECRET}},
    }
    server = start(Gateway, DOMAIN, components={"component.secret.test": SECRET}, options=options, verbose=True)
    assert isinstance(server, Gateway)
    server.register("romeo@people.secret.test", PASSWORD)
    return server


async def test_nothing_secret_is_logged(start: Starter, gateway: Gateway) -> None:
    peer = start(Prosody, "dialling.test", certificate=self_signed("dialling.test"))
    async with attached(gateway) as component, user(peer, "romeo") as romeo:
        romeo.send_message("nurse@component.secret.test", "by dialback")
        heard = await component.expect_message("by dialback")
        component.send_message(str(heard["from"]), "and back")
        await romeo.expect_message("and back")
        component.send_message("anybody@digest.test", "to nobody")
    async with person(gateway, PASSWORD):
        pass
    with pytest.raises(LoginError):
        async with person(gateway, PASSWORD + "?"):
            pass
    for secret in (SECRET, "a wrong one"):
        async with dial(gateway.address, COMPONENT) as probe:
            await probe.type_handshake("component.secret.test", secret)
    await asyncio.sleep(0.5)
    log = gateway.log()
    assert "by dialback" in log  # as means of proof: it is a verbose log
    for secret in secrets_of(gateway, peer):
        assert secret not in log


def person(gateway: Gateway, password: str) -> Client:
    return Client("romeo@people.secret.test", password, gateway.at(CLIENT), None)


def secrets_of(gateway: Gateway, peer: Peer) -> set[str]:
    """All that must not be known, in every spelling in which it could be written."""
    kept = [file.read_bytes() for file in (gateway.folder / "state").glob("*.secret")]
    texts = [SECRET, DIGEST_SECRET, PASSWORD, *keys_in(peer.log())]
    spelled = set(texts) | {b64encode(text.encode()).decode() for text in texts}
    spelled |= {sha1(text.encode()).hexdigest() for text in texts}
    for secret in kept:
        spelled |= {secret.hex(), b64encode(secret).decode(), repr(secret)[2:-1], sha256(secret).hexdigest()}
    assert len(kept) >= 1
    assert len(spelled) > 10
    return spelled


def keys_in(log: str) -> list[str]:
    """The dialback keys that a peer has seen or made."""
    return re.findall(r"\b[0-9a-f]{64}\b", log)


def test_everything_in_the_state_folder_is_for_us_alone(gateway: Gateway) -> None:
    state = gateway.folder / "state"
    files = [file for file in state.rglob("*") if not file.is_socket()]
    assert len(files) > 2
    assert {oct(stat.S_IMODE(file.stat().st_mode) & 0o077) for file in [state, *files]} == {"0o0"}


def test_what_others_may_read_is_told_at_the_start(start: Starter, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    state.chmod(0o755)
    gateway = start(Gateway, "open.test", options={"gateway": {"state": str(state)}})
    gateway.stop()
    gateway.site.certificates["open.test"].chmod(0o644)
    gateway.start()
    assert "everybody on this machine may read or change the private key" in gateway.log()
