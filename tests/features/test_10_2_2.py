"""Feature 10.2-2: body, subject and thread of a message are routed unchanged (RFC 6121 §5.2.3 to §5.2.5)."""

from __future__ import annotations

from xml.etree.ElementTree import Element, canonicalize, fromstring, tostring

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World

CONTENT = (
    "<subject>A &lt;rose&gt;</subject><subject xml:lang='fr'>Une rose</subject>"
    "<body>By any\n\tother   name \U0001f339 &amp; so on</body><thread parent='e0ffe42b'>0e3141cd</thread>"
)


async def test_from_a_server_to_a_component_and_back(world: World, gateway: Peer) -> None:
    domain = "unchanged.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        async with dial(gateway.address, SERVER) as probe:
            await probe.prove(client_tls(script.bundle), domain, component.jid)
            await probe.type(f"<message from='a@{domain}' to='{component.jid}' type='chat'>{CONTENT}</message>")
            heard = await component.expect_any_message()
            assert content(heard.xml) == sent()
        component.xmpp.send_raw(f"<message from='{component.jid}' to='a@{domain}' type='chat'>{CONTENT}</message>")
        assert content(await (await script.established()).element()) == sent()


def content(message: Element) -> list[str]:
    """Return what is in the message, in one form whatever its namespace and prefixes."""
    for element in message.iter():
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
    return [canonicalize(tostring(child, encoding="unicode")) for child in message]


def sent() -> list[str]:
    return content(fromstring(f"<message>{CONTENT}</message>"))
