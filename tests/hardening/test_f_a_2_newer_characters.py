"""A-2: code points that our tables do not know yet pass in the resourceparts of others, in `from` and in `to`."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.xmpp.address_parts import PART_BYTES, prepare_foreign_resource, prepare_resource
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import MalformedAddress
from gateway.xmpp.faults import StreamKind
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World
from tests.support.ends import ENDS

# Never assigned so far: the reserved code points behind the last emoji, and in a plane without any.
NEWER = ["\U0001fa77", "\U0001fae9", "\U0001faff", "\U0005abcd", "\u0378"]
UNKNOWN = [each for each in NEWER if unicodedata.category(each) == "Cn"]
NEVER = ["\ufdd0", "\U0001fffe", "\U0010ffff", "\ufdef"]


@pytest.mark.parametrize("character", NEWER)
def test_f_a_2_it_stays_as_it_is_and_the_rest_is_prepared(character: str) -> None:
    assert Address.parse(f"room@far.test/{character}").resource == character
    mixed = f"E\u0301{character}\u00a0\ufffd{character}\u2460"
    assert Address.parse(f"room@far.test/{mixed}").resource == f"\u00c9{character} \ufffd{character}\u2460"


@pytest.mark.parametrize("character", [*NEVER, "\uf8ff", "\t", "\u200e", "\u2028"])
def test_f_a_2_what_will_never_be_allowed_is_refused_beside_it(character: str) -> None:
    for text in (character, f"{UNKNOWN[0]}{character}", f"a{character}{UNKNOWN[-1]}"):
        with pytest.raises(MalformedAddress):
            Address.parse(f"room@far.test/{text}")


@pytest.mark.parametrize("unknown", UNKNOWN)
def test_f_a_2_nowhere_else(unknown: str) -> None:
    for text in (f"{unknown}@far.test", f"a@{unknown}.test"):
        with pytest.raises(MalformedAddress):
            Address.parse(text)
    with pytest.raises(MalformedAddress):
        Address.parse("a@far.test").with_resource(unknown)


def test_f_a_2_the_length_counts_as_ever() -> None:
    unknown = UNKNOWN[0]
    assert len(prepare_foreign_resource(unknown * (PART_BYTES // 4)).encode()) <= PART_BYTES
    for text in (unknown * (PART_BYTES // 4 + 1), "a" * PART_BYTES + unknown, unknown * 100_000):
        with pytest.raises(MalformedAddress):
            prepare_foreign_resource(text)


@given(st.text(max_size=20))
def test_f_a_2_without_such_characters_nothing_is_different(text: str) -> None:
    if any(unicodedata.category(each) == "Cn" for each in text):
        return
    results = []
    for prepare in (prepare_resource, prepare_foreign_resource):
        try:
            results.append(prepare(text))
        except MalformedAddress:
            results.append("")
    assert results[0] == results[1]


@given(st.text(st.sampled_from([*UNKNOWN, *"aE\u0301\u2460\ufffd\U0001f600 "]), max_size=12))
def test_f_a_2_what_is_prepared_stays(text: str) -> None:
    if text:
        prepared = prepare_foreign_resource(text)
        assert prepare_foreign_resource(prepared) == prepared


@pytest.mark.parametrize("unknown", NEWER)
@pytest.mark.parametrize("kind", StreamKind)
def test_f_a_2_in_every_direction(kind: StreamKind, unknown: str) -> None:
    end = ENDS[kind]()
    sender = end.sender if kind is StreamKind.CLIENT else f"{end.sender.partition('/')[0]}/{unknown}"
    end.type(f"<message from='{sender}' to='{end.recipient}/{unknown}' id='1'/>", end.good("2"))
    assert (end.condition, end.arrived(), end.told()) == (None, ["1", "2"], [])


def test_f_a_2_our_own_accounts_do_not_bind_it() -> None:
    end = ENDS[StreamKind.CLIENT](proves=False)
    line = end._house.connect().authenticate("alice")  # type: ignore[attr-defined]
    line.say(
        "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
        f"<resource>{UNKNOWN[0]}</resource></bind></iq>"
    )
    assert "bad-request" in line.heard()


async def test_f_a_2_on_the_wire(world: World, gateway: Peer) -> None:
    bundle, ours = world.bundle(world.authority.issue("probe.test")), "component.gateway.test"
    async with dial(gateway.address, COMPONENT) as component, dial(gateway.address, SERVER) as probe:
        await component.attach(ours, "secret")
        await probe.prove(client_tls(bundle), "probe.test", ours)
        await probe.type(
            f"<message from='r@probe.test/\U0001fa77' to='{ours}/\U0001fa77'><body>hearts</body></message>"
        )
        got = await component.element()
        assert (got.get("from"), got.get("to")) == ("r@probe.test/\U0001fa77", f"{ours}/\U0001fa77")
