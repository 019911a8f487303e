"""A-3: what leaves on a stream names its domains as the stream does, however the sender has spelled them."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Address, AddressCache, Domain, Respelled
from gateway.xmpp.elements import Element
from gateway.xmpp.faults import StreamKind
from gateway.xmpp.stanzas import CONTENT, Stanza
from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT
from tests.interop.probe import dial
from tests.interop.scripted import scripted
from tests.interop.world import World
from tests.support.addresses import other_spellings
from tests.support.ends import ENDS, ComponentEnd, server
from tests.support.talk import proved

FAR = Domain("g\u00e2teau.far.test")
SPELLINGS = other_spellings(FAR)


def raw_attributes(stanza: Stanza) -> tuple[str | None, str | None]:
    """Return the address as the bytes have it."""
    written = Stanza(stanza.name, stanza.raw, None, None, None, None).element
    return written.get("from"), written.get("to")


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("kind", [StreamKind.COMPONENT, StreamKind.CLIENT])
def test_f_a_3_in_what_we_are_given_to_send(kind: StreamKind, spelling: str) -> None:
    end = ENDS[kind]()
    for resource in ("", "/A", "/\u2460"):
        end.type(f"<message from='{end.sender}' to='X@{spelling}{resource}' id='1'><body/></message>")
    assert end.condition is None
    place = end.there if kind is StreamKind.COMPONENT else end._house.world  # type: ignore[attr-defined]
    assert [raw_attributes(each)[1] for each in place.got] == [f"X@{FAR}", f"X@{FAR}/A", f"X@{FAR}/\u2460"]


@pytest.mark.parametrize("spelling", other_spellings(Domain("rooms.component.test")))
def test_f_a_3_in_a_components_from(spelling: str) -> None:
    end = ComponentEnd()
    end.type(f"<message to='{end.recipient}' from='room@{spelling}/me' id='1'><body>Hi</body></message>")
    (got,) = end.there.got
    assert raw_attributes(got) == ("room@rooms.component.test/me", end.recipient)
    assert got.element.first(name="body").text == "Hi"  # type: ignore[union-attr]


@pytest.mark.parametrize("spelling", other_spellings(Domain("theirs.test")))
def test_f_a_3_in_what_comes_from_another_server(spelling: str) -> None:
    end = server()
    end.type(f"<message to='juliet@OURS.test.' from='a@{spelling}/me' id='1'/>", end.good("2"))
    assert end.arrived() == ["1", "2"]
    assert raw_attributes(end.there.got[0]) == ("a@theirs.test/me", "juliet@ours.test")


def test_f_a_3_whatever_else_is_wrong_or_unusual_about_the_stanza() -> None:
    talking = proved().hear(
        "<message from='a@theirs.test.' to='b@OURS.test' xmlns:stream='x'><stream:a/></message>",
        "<message to='b@ours.test.' xml:lang='de' from='a@theirs.test'><![CDATA[<]]></message>",
        "<presence from='a@THEIRS.test'\n to='b@ours.test'/>",
    )
    assert all(b"a@theirs.test'" in raw and b"b@ours.test'" in raw for raw in talking.said)  # type: ignore[operator]


def test_f_a_3_in_what_our_own_handlers_write() -> None:
    written = Stanza.from_element(Element(CONTENT, "message", {"to": "A@far.test./R", "from": "ours.test"}))
    assert raw_attributes(written) == ("ours.test", "a@far.test/R")
    assert written.to == Address.parse("a@far.test/R")


def test_f_a_3_other_spellings_are_remembered_and_bounded() -> None:
    cache = AddressCache(odd_bytes=100_000)
    for number in range(5000):
        with pytest.raises(Respelled) as raised:
            cache.read_canonical(f"'user{number}@far.test.'".encode())
    assert str(raised.value.address) == "user4999@far.test"
    assert len(cache._odd_young) + len(cache._odd_old) < 1000
    assert len(cache) == 0


async def test_f_a_3_on_the_wire(world: World, gateway: Peer) -> None:
    async with scripted(world, "spelled.test") as script, dial(gateway.address, COMPONENT) as probe:
        await probe.attach("component.gateway.test", "secret")
        answers = None
        for spelling in ("spelled\u3002test", "spelled.test.", "SPELLED.test", "\uff53pelled.test"):
            await probe.type(
                f"<message from='nurse@component.gateway.test.' to='a@{spelling}' id='{spelling}'><body/></message>"
            )
            answers = answers or await script.established()
            got = await answers.element()
            assert (got.get("from"), got.get("to")) == ("nurse@component.gateway.test", "a@spelled.test")


async def test_f_a_3_to_our_own_components(gateway: Peer) -> None:
    async with attached(gateway) as component, dial(gateway.address, COMPONENT):
        component.send_message(f"{component.jid}.", "to myself")
        await component.expect_message("to myself")
