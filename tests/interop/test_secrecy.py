"""No secret reaches the log, however much is logged and however wrong things go, nor a file that others may read."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import stat
from base64 import b64encode
from contextlib import closing
from hashlib import sha1, sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.interop import clients
from tests.interop.clients import Client, LoginError, attached, user
from tests.interop.fixtures import Starter
from tests.interop.knocking import at_home, knocking, plain
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import CLIENT, COMPONENT, SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.world import World
from tests.support.throwaway_ca import self_signed

SM = "urn:xmpp:sm:3"
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


@pytest.mark.parametrize("form", ["text", "json"])
async def test_no_login_and_nothing_that_resumes_a_stream_is_logged(world: World, start: Starter, form: str) -> None:
    """Anybody who knows the id of a managed stream, and is the same account or domain, can take it over."""
    options = {"domains": {"people.secret.test": {"serve": "im"}}, "log": {"level": "debug", "format": form}}
    gateway = start(Gateway, DOMAIN, options=options)
    assert isinstance(gateway, Gateway)
    gateway.register("romeo@people.secret.test", PASSWORD)
    gateway.register("juliet@people.secret.test", clients.PASSWORD)
    house: Any = SimpleNamespace(at=gateway.at, site=SimpleNamespace(domains=("people.secret.test",)))
    secrets = [PASSWORD, b64encode(PASSWORD.encode()).decode(), *stored_keys(gateway)]
    for password in (PASSWORD, f"{PASSWORD}?"):
        secrets.append(b64encode(f"\0romeo\0{password}".encode()).decode())
        async with knocking(house) as probe:
            await plain(probe, "romeo", password)
    async with at_home(house, "juliet") as probe:
        secrets.append(await managed(probe))
        probe.drop()
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(world.bundle(world.authority.issue("peer.test"))), "peer.test", DOMAIN)
        secrets.append(await managed(probe))
        probe.drop()
    for id_ in secrets[-2:]:
        async with dial(gateway.address, SERVER) as probe:
            await probe.prove(client_tls(world.bundle(world.authority.issue("peer.test"))), "peer.test", DOMAIN)
            await probe.type(f"<resume xmlns='{SM}' previd='{id_}' h='0'/>")
            await probe.element()
    await asyncio.sleep(0.5)
    log = gateway.log()
    assert "peer.test" in log
    assert len(secrets) >= 6
    assert [secret for secret in secrets if secret in log] == []


async def managed(probe: Probe) -> str:
    """Have the stream managed; the id by which it can be resumed."""
    await probe.type(f"<enable xmlns='{SM}' resume='true'/>")
    answer = await probe.element()
    assert answer.tag == f"{{{SM}}}enabled"
    return answer.get("id", "")


def stored_keys(gateway: Gateway) -> list[str]:
    """The keys of all accounts, as they stand in the database."""
    with closing(sqlite3.connect(gateway.folder / "state" / "gateway.db")) as database:
        tables = [name for (name,) in database.execute("select name from sqlite_master where type = 'table'")]
        values = [value for table in tables for row in database.execute(f"select * from {table}") for value in row]
    blobs = [value for value in values if isinstance(value, bytes) and len(value) >= 16]
    assert blobs
    return [spelling for blob in blobs for spelling in (blob.hex(), b64encode(blob).decode(), repr(blob)[2:-1])]


def person(gateway: Gateway, password: str) -> Client:
    return Client("romeo@people.secret.test", password, gateway.at(CLIENT), None)


def secrets_of(gateway: Gateway, peer: Peer) -> set[str]:
    """Return all that must not be known, in every spelling in which it could be written."""
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
    assert "every user of this machine can read or change the private key" in gateway.log()
