"""At a client door with a raw stream: the steps of a login, typed by hand."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree.ElementTree import Element

from tests.interop.clients import PASSWORD
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT
from tests.interop.probe import SASL, STREAM, Probe, client_tls, dial

BIND = "urn:ietf:params:xml:ns:xmpp-bind"


@asynccontextmanager
async def knocking(house: Peer, *, certificate: Path | None = None) -> AsyncIterator[Probe]:
    """A stream under TLS, with the features read."""
    async with dial(*house.at(CLIENT)) as probe:
        await opened(probe, house)
        await probe.secure(client_tls(certificate), house.site.domains[0])
        await opened(probe, house)
        yield probe


async def opened(probe: Probe, house: Peer) -> Element:
    """A new stream, and the features that are offered on it."""
    await probe.open("", house.site.domains[0], content="jabber:client")
    return await probe.element()


async def plain(probe: Probe, user: str, password: str = PASSWORD, authzid: str = "") -> Element:
    """Log in by PLAIN; the answer."""
    payload = b64encode(f"{authzid}\0{user}\0{password}".encode()).decode()
    await probe.type(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{payload}</auth>")
    return await probe.element()


async def bind(probe: Probe, resource: str | None = None) -> Element:
    """Ask for a resource; the answer."""
    wish = f"<resource>{resource}</resource>" if resource else ""
    await probe.type(f"<iq type='set' id='bind'><bind xmlns='{BIND}'>{wish}</bind></iq>")
    return await probe.element()


def jid(answer: Element) -> str:
    """The full JID that a bind was answered with."""
    found = answer.find(f"{{{BIND}}}bind/{{{BIND}}}jid")
    assert found is not None, f"no JID but {answer.attrib}"
    return found.text or ""


@asynccontextmanager
async def at_home(house: Peer, user: str, resource: str | None = None) -> AsyncIterator[Probe]:
    """A stream that is authenticated and bound; `probe.jid` would be its address: see `jid`."""
    async with knocking(house) as probe:
        assert (await plain(probe, user)).tag == f"{{{SASL}}}success"
        await opened(probe, house)
        probe.address = jid(await bind(probe, resource))  # type: ignore[attr-defined]
        yield probe


def condition(element: Element) -> str:
    """The condition inside a SASL failure, a stanza error or a stream error: its first child's, or its error's."""
    error = element.find("{jabber:client}error")
    return (element if error is None else error)[0].tag.rpartition("}")[2]


async def sent_away(probe: Probe) -> str:
    """The condition of the stream error that comes, and that the server closes its stream and the connection then."""
    error = await probe.element()
    assert error.tag == f"{STREAM}error"
    await probe.type("</stream:stream>")
    assert await probe.ended()
    return condition(error)
