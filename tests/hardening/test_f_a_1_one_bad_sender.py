"""A-1: a `from` of a proved domain that is not an address ends its own stanza, and nobody else's."""

from __future__ import annotations

import pytest

from gateway.xmpp.faults import StreamKind
from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World
from tests.support.ends import ENDS, ComponentEnd, condition_of, relayed, server

# The text around the domain, which is `{}`.
NO_ADDRESSES = {
    "private use": "room@{}/\uf8ff",
    "left-to-right mark": "room@{}/\u200ea",
    "tatweel": "room@{}/\u0640",
    "tab": "room@{}/a&#9;b",
    "line separator": "room@{}/a\u2028b",
    "tag characters": "room@{}/\U0001f3f4\U000e0067\U000e007f",
    "space in a localpart": "a b@{}",
    "apostrophe": "o&apos;brien@{}/r",
    "emoji localpart": "\U0001f600@{}/r",
    "empty localpart": "@{}/r",
    "empty resource": "room@{}/",
    "two at-signs": "a@b@{}/r",
    "long localpart": "a" * 1100 + "@{}",
    "long resource": "room@{}/" + "a" * 1100,
    "long address": "a" * 4000 + "@{}/" + "a" * 4000,
}


def bad(sender: str, domain: str, to: str, kind: str = "message") -> str:
    type_ = " type='get'" if kind == "iq" else ""
    return f"<{kind} from='{sender.format(domain)}' to='{to}' id='bad'{type_}><x xmlns='y'/></{kind}>"


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
@pytest.mark.parametrize("sender", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
@pytest.mark.parametrize("begin", [server, relayed])
def test_f_a_1_between_servers_it_is_dropped_and_acknowledged(begin, sender: str, kind: str) -> None:  # type: ignore[no-untyped-def]
    end = begin()
    others = "".join(end.good(str(number)) for number in range(10))
    end.type(bad(sender, end.session.facts.remote, end.recipient, kind) + others)
    assert end.condition is None
    assert end.arrived() == [str(number) for number in range(10)]
    assert end.told() == []
    assert end.dropped() == ["no-sender"]
    assert end.handled() == 11


@pytest.mark.parametrize("kind", ["message", "iq"])
@pytest.mark.parametrize("sender", NO_ADDRESSES.values(), ids=NO_ADDRESSES)
@pytest.mark.parametrize("domain", ["component.test", "rooms.component.test"])
def test_f_a_1_a_component_is_told(domain: str, sender: str, kind: str) -> None:
    end = ComponentEnd()
    others = "".join(end.good(str(number)) for number in range(10))
    end.type(bad(sender, domain, end.recipient, kind) + others)
    assert end.condition is None
    assert end.arrived() == [str(number) for number in range(10)]
    (error,) = end.told()
    assert (error.name, error.id, condition_of(error), str(error.from_)) == (
        kind,
        "bad",
        "jid-malformed",
        end.recipient,
    )
    assert error.to is not None
    assert error.to.domain == domain


@pytest.mark.parametrize("sender", ["@", "/", "a@", "a b@{}.else.test", "room@else.test/\uf8ff", "room@-/\uf8ff"])
@pytest.mark.parametrize("kind", StreamKind)
def test_f_a_1_where_the_domain_is_not_proved_or_not_there_the_stream_ends(kind: StreamKind, sender: str) -> None:
    end = ENDS[kind]()
    end.type(end.good("before") + bad(sender, "theirs.test", end.recipient) + end.good("behind"))
    assert end.condition == "invalid-from"
    assert end.arrived() == ["before"]


def test_f_a_1_a_client_is_told_about_its_own_address_only() -> None:
    end = ENDS[StreamKind.CLIENT]()
    end.type(bad("alice@{}/\uf8ff", "example.com", end.recipient) + end.good("1"))
    assert (end.condition, end.arrived()) == (None, ["1"])
    (error,) = end.told()
    assert condition_of(error) == "jid-malformed"
    end.type(bad("bob@{}/\uf8ff", "example.com", end.recipient))
    assert end.condition == "invalid-from"


async def test_f_a_1_on_the_wire_from_a_server(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", component.jid)
        for number, sender in enumerate(NO_ADDRESSES.values()):
            await probe.type(bad(sender, "probe.test", component.jid))
            await probe.type(f"<message from='a@probe.test' to='{component.jid}'><body>{number}</body></message>")
            await component.expect_message(str(number))


async def test_f_a_1_on_the_wire_from_a_component(gateway: Peer) -> None:
    async with dial(gateway.address, COMPONENT) as probe:
        await probe.attach("component.gateway.test", "secret")
        for sender in NO_ADDRESSES.values():
            await probe.type(bad(sender, "component.gateway.test", "gateway.test"))
            answer = await probe.element()
            assert (answer.get("type"), answer.get("id")) == ("error", "bad")
            assert "jid-malformed" in answer[0][0].tag
