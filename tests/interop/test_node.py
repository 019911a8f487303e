"""@xmpp/client from npm at our client doors: logged in, at home, in touch, and back after its network broke."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from tests.interop.clients import PASSWORD
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT, CLIENT_TLS
from tests.interop.world import World

HERE = Path(__file__).parent / "node"
INSTALLED = HERE / "node_modules" / "@xmpp" / "client"
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
PATIENCE = 30  # of a busy machine


@pytest.fixture(scope="module")
def node() -> str:
    """The interpreter, with the client installed beside client.js."""
    program = shutil.which("node")
    problem = "" if program else "node is not installed"
    if program and not INSTALLED.exists():
        done = subprocess.run(INSTALL, cwd=HERE, capture_output=True, text=True, check=False)
        problem = f"npm cannot install @xmpp/client: {done.stderr.strip()[-500:]}" if done.returncode else ""
    if problem:
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(problem)
    assert program is not None
    return program


class NodeClient:
    """A process that is a client."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.jid = ""
        self._process = process
        self._events: list[dict[str, Any]] = []

    def do(self, **command: Any) -> None:
        """Give it a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")

    def say(self, to: str, body: str) -> None:
        """Send a chat message."""
        self.do(send=["message", {"to": to, "type": "chat"}, [["body", {}, [body]]]])

    def show(self, to: str | None = None, kind: str | None = None) -> None:
        """Send presence."""
        known = {"to": to, "type": kind}
        self.do(send=["presence", {name: value for name, value in known.items() if value}, []])

    async def event(self, name: str, wanted: Callable[[Any], bool] = lambda it: True) -> Any:
        """The first event of a kind that is wanted; those before it are kept."""
        for event in self._events:
            if name in event and wanted(event[name]):
                self._events.remove(event)
                return event[name]
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while line := await self._process.stdout.readline():
                event = json.loads(line)
                if name in event and wanted(event[name]):
                    return event[name]
                self._events.append(event)
        raise AssertionError(f"the client ended; what came before: {self._events}")

    async def message(self, body: str) -> Element:
        """The message that says so."""
        return fromstring(await self.event("stanza", lambda text: f"<body>{body}</body>" in text))

    async def presence(self, kind: str | None, sender: str) -> Element:
        """Presence of a type from a bare address."""

        def wanted(text: str) -> bool:
            stanza = fromstring(re.sub(r" xmlns:stream=\S+", "", text))
            return (
                stanza.tag.endswith("presence")
                and stanza.get("type") == kind
                and (stanza.get("from") or "").partition("/")[0] == sender
            )

        return fromstring(await self.event("stanza", wanted))

    async def ask(self, payload: list[Any], kind: str = "get") -> Element:
        """Send an iq to its own server; the answer."""
        self.do(ask=["iq", {"type": kind}, [payload]])
        return fromstring(await self.event("answer"))


@asynccontextmanager
async def online(
    node: str, world: World, host: Peer, name: str, *, direct: bool = False, password: str = PASSWORD
) -> AsyncIterator[NodeClient]:
    """A client that is logged in; the server's certificate is checked."""
    service = f"xmpps://{host.address}:{CLIENT_TLS}" if direct else f"xmpp://{host.address}:{CLIENT}"
    process = await asyncio.create_subprocess_exec(
        node,
        "client.js",
        service,
        host.site.domains[0],
        name,
        password,
        cwd=HERE,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": str(world.authorities)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    client = NodeClient(process)
    try:
        client.jid = await client.event("online")
        yield client
        client.do(stop=True)
        await asyncio.wait_for(process.wait(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_client_logs_in_and_reads_its_roster(node: str, world: World, house: Peer) -> None:
    async with online(node, world, house, "romeo") as romeo:
        assert romeo.jid.startswith("romeo@im.test/")
        roster = await romeo.ask(["query", {"xmlns": "jabber:iq:roster"}, []])
        assert roster.get("type") == "result"
        pong = await romeo.ask(["ping", {"xmlns": "urn:xmpp:ping"}, []])
        assert pong.get("type") == "result"


async def meet(one: NodeClient, other: NodeClient) -> tuple[str, str]:
    """Subscribe both ways, and see each other; the two accounts."""
    accounts = one.jid.partition("/")[0], other.jid.partition("/")[0]
    pairs = ((one, accounts[1]), (other, accounts[0]))
    for each, _ in pairs:
        await each.ask(["query", {"xmlns": "jabber:iq:roster"}, []])
        each.show()
    for each, contact in pairs:
        each.show(contact, "subscribe")
    for each, contact in pairs:
        await each.presence("subscribe", contact)
        each.show(contact, "subscribed")
    for each, contact in pairs:
        await each.presence("subscribed", contact)
        await each.presence(None, contact)
    return accounts


async def part(client: NodeClient, contact: str) -> None:
    """Be strangers again."""
    item = ["item", {"jid": contact, "subscription": "remove"}, []]
    await client.ask(["query", {"xmlns": "jabber:iq:roster"}, [item]], "set")


@pytest.mark.parametrize("other", ["house", "prosody", "ejabberd"])
async def test_two_people_meet_chat_part_and_get_what_was_stored(
    node: str, world: World, house: Peer, request: pytest.FixtureRequest, other: str
) -> None:
    away = request.getfixturevalue(other)
    async with online(node, world, house, "romeo") as romeo:
        async with online(node, world, away, "juliet") as juliet:
            there, here = await meet(romeo, juliet)
            romeo.say(here, "But, soft!")
            await juliet.message("But, soft!")
            juliet.say(romeo.jid, "Ay me!")
            await romeo.message("Ay me!")
        await romeo.presence("unavailable", here)
        romeo.say(here, "She speaks:")
        romeo.do(ask=["iq", {"type": "get", "to": here.partition("@")[2]}, [["ping", {"xmlns": "urn:xmpp:ping"}, []]]])
        await romeo.event("answer")
        async with online(node, world, away, "juliet") as juliet:
            juliet.show()
            await romeo.presence(None, here)
            await juliet.presence(None, there)
            stored = await juliet.message("She speaks:")
            assert stored.find("{urn:xmpp:delay}delay") is not None
            await part(juliet, there)
        await part(romeo, here)


async def test_client_whose_network_broke_resumes_its_stream(node: str, world: World, house: Peer) -> None:
    async with online(node, world, house, "romeo") as romeo, online(node, world, house, "juliet") as juliet:
        juliet.show()
        await juliet.presence(None, "juliet@im.test")
        romeo.say(juliet.jid, "before")
        await juliet.message("before")
        juliet.do(cut=True)
        await asyncio.sleep(0.1)
        romeo.say(juliet.jid, "meanwhile")
        await juliet.event("resumed")
        await juliet.message("meanwhile")
        juliet.say(romeo.jid, "heard it all")
        answer = await romeo.message("heard it all")
        assert answer.get("from") == juliet.jid
