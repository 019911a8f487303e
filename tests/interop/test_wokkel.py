"""A PubSubService of Wokkel inside the gateway, and outside as a component: the same dialogue, as in docs/wokkel.md."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import PASSWORD, Client, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.process import Server
from tests.interop.peers.site import COMPONENT
from tests.support.pages import block, domains

HOME, INSIDE, OUTSIDE = "readers.test", "books.example.com", "library.example.com"
# What Wokkel 18 misses in Twisted 25; the manual tells people to use an older one outside.
SHIM = """\
import sys
import constantly
from twisted.python import compat
compat._PY3 = True
sys.modules.setdefault("twisted.python.constants", constantly)
"""
INFO = "http://jabber.org/protocol/disco#info"
ITEMS = "http://jabber.org/protocol/disco#items"
PUBSUB = "http://jabber.org/protocol/pubsub"
DIALOGUE = [
    ("get", f"<query xmlns='{INFO}'/>"),
    ("get", f"<query xmlns='{ITEMS}'/>"),
    ("get", f"<query xmlns='{INFO}' node='new'/>"),
    ("get", f"<query xmlns='{ITEMS}' node='new'/>"),
    ("get", f"<query xmlns='{INFO}' node='nothing'/>"),
    ("get", f"<pubsub xmlns='{PUBSUB}'><items node='new'/></pubsub>"),
    ("get", f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>"),
    ("set", f"<pubsub xmlns='{PUBSUB}'><publish node='new'><item id='1'/></publish></pubsub>"),
    ("set", f"<pubsub xmlns='{PUBSUB}'><subscribe node='new' jid='romeo@{HOME}'/></pubsub>"),
    ("set", f"<pubsub xmlns='{PUBSUB}'><create node='x'/></pubsub>"),
    ("set", f"<pubsub xmlns='{PUBSUB}#owner'><delete node='new'/></pubsub>"),
]


class Library(Server):
    """The service outside."""

    name = "wokkel"

    def __init__(self, gateway: Peer, folder: Path) -> None:
        super().__init__(gateway.address, folder)
        self._gateway = gateway

    def command(self) -> list[str]:
        return [str(Path(sys.executable).parent / "twistd"), "--nodaemon", "--pidfile=", "--python", "books.tac"]

    def environment(self) -> Mapping[str, str]:
        secret = self._gateway.site.components[OUTSIDE]
        return {"PYTHONPATH": str(self.folder), "SECRET": secret, "PORT": str(COMPONENT)}

    def ports(self) -> tuple[int, ...]:
        return ()

    def ready(self) -> bool:
        return f"component {OUTSIDE}: attached" in self._gateway.log()

    def write_configuration(self) -> None:
        (self.folder / "sitecustomize.py").write_text(SHIM)
        (self.folder / "books.py").write_text(block("wokkel.md", "python"))
        program = block("wokkel.md", "python", 1).replace('"127.0.0.1"', repr(self._gateway.address))
        (self.folder / "books.tac").write_text(program)


@pytest.fixture(scope="module")
def home(start_all: Starter, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    modules = tmp_path_factory.mktemp("modules")
    (modules / "books.py").write_text(block("wokkel.md", "python"))
    tables = {HOME: {"serve": "im"}, **domains("wokkel.md"), **domains("wokkel.md", 1)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(modules), prepend=":")
        home = start_all(Gateway, HOME, components={OUTSIDE: "secret"}, options={"domains": tables})
        home.register(f"romeo@{HOME}", PASSWORD)
    with Library(home, home.folder / "library"):
        yield home


async def said(client: Client, domain: str, kind: str, payload: str) -> str:
    """Return what a service answers, with its own name left out."""
    try:
        answer = (await client.request(domain, payload, kind)).xml
    except IqError as error:
        answer = error.iq.xml
    text = "".join(ElementTree.tostring(each, encoding="unicode") for each in answer)
    return answer.get("type", "") + re.sub(re.escape(domain), "DOMAIN", text)


async def test_the_dialogue_is_the_same_inside_and_outside(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        for kind, payload in DIALOGUE:
            inside, outside = [await said(romeo, domain, kind, payload) for domain in (INSIDE, OUTSIDE)]
            assert sorted(features(inside)) == sorted(features(outside)), payload
        assert "Romeo and Juliet" in await said(romeo, INSIDE, *DIALOGUE[5])
        assert "pubsub" in await said(romeo, INSIDE, *DIALOGUE[0])


def features(text: str) -> list[str]:
    """The elements of an answer, in any order."""
    return re.findall(r"<[^>]+>|[^<]+", text)
