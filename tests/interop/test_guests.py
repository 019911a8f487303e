"""Our client role at our own doors, at Prosody's and at ejabberd's: found, secured, logged in, bound, at home."""

from __future__ import annotations

import pytest

from gateway.addresses import Address
from gateway.elements import Element
from gateway.guest.affairs import RequestRefused
from gateway.guest.session import NotLetIn
from gateway.namespaces import DISCO_INFO, PING
from gateway.net.throwaway_ca import CLIENT_AUTH, xmpp
from tests.interop.fixtures import Starter
from tests.interop.guests import staying
from tests.interop.peers import Ejabberd, Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor
from tests.support.tls import identity


def domain(host: Peer) -> str:
    return host.site.domains[0]


@pytest.mark.parametrize("direct", [True, False], ids=["direct TLS", "STARTTLS"])
def test_guest_is_let_in_and_gets_a_resource_that_the_server_makes(world: World, host: Peer, direct: bool) -> None:
    async def scenario() -> tuple[Address, list[str]]:
        async with staying(world, f"romeo@{domain(host)}", direct_tls=direct) as romeo:
            return romeo.affairs.own, romeo.guest.steps

    own, steps = run_in_reactor(scenario)
    assert own.bare == f"romeo@{domain(host)}"
    assert len(own.resource) >= 8
    assert any(f":{5223 if direct else 5222} connected" in step for step in steps)


OFFERED = {
    "house": ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"],
    "prosody": ["SCRAM-SHA-1", "PLAIN"],
    "ejabberd": ["SCRAM-SHA-1", "PLAIN"],
}


@pytest.mark.parametrize(("name", "mechanism"), [(name, each) for name, offered in OFFERED.items() for each in offered])
def test_guest_logs_in_by_each_mechanism_that_the_server_offers(
    world: World, request: pytest.FixtureRequest, name: str, mechanism: str
) -> None:
    host = request.getfixturevalue(name)

    async def scenario() -> str:
        async with staying(world, f"romeo@{domain(host)}", mechanism=mechanism) as romeo:
            return romeo.affairs.own.bare

    assert run_in_reactor(scenario) == f"romeo@{domain(host)}"


def by_certificate(world: World, host: Peer) -> Address:
    """Log in without a password, with a certificate that names the account."""
    issued = world.authority.issue(xmpp(f"romeo@{domain(host)}"), purposes=[CLIENT_AUTH])

    async def scenario() -> Address:
        options = {"password": None, "identity": identity(issued), "direct_tls": False}
        async with staying(world, f"romeo@{domain(host)}", **options) as romeo:
            return romeo.affairs.own

    return run_in_reactor(scenario)


def test_guest_logs_in_at_our_door_by_certificate(world: World, house: Peer) -> None:
    assert by_certificate(world, house).bare == "romeo@im.test"


def test_guest_logs_in_at_ejabberd_by_certificate(world: World, start: Starter) -> None:
    ejabberd = start(Ejabberd, "certified.test", client_certificates=True)
    assert by_certificate(world, ejabberd).bare == "romeo@certified.test"


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "PLAIN"])
def test_guest_with_a_wrong_password_is_told(world: World, host: Peer, mechanism: str) -> None:
    async def scenario() -> str:
        try:
            async with staying(world, f"romeo@{domain(host)}", password="wrong", mechanism=mechanism):
                return "let in"
        except NotLetIn as problem:
            return str(problem)

    assert "not-authorized" in run_in_reactor(scenario)


def test_guests_meet(world: World, host: Peer) -> None:
    """Roster, subscriptions both ways, presence, messages."""
    romeo_, juliet_ = (Address.parse(f"{name}@{domain(host)}") for name in ("romeo", "juliet"))

    async def scenario() -> None:
        async with staying(world, romeo_.full) as romeo, staying(world, juliet_.full) as juliet:
            for each in (romeo, juliet):
                await each.affairs.get_roster()
                each.affairs.show()
            await romeo.affairs.set_contact(juliet_, "Juliet", "Capulets")
            romeo.affairs.show(juliet_, "subscribe")
            await juliet.expect_presence("subscribe", romeo_.full)
            juliet.affairs.show(romeo_, "subscribed")
            juliet.affairs.show(romeo_, "subscribe")
            await romeo.expect_presence("subscribe", juliet_.full)
            romeo.affairs.show(juliet_, "subscribed")
            await romeo.expect_presence(None, juliet_.full)
            await juliet.expect_presence(None, romeo_.full)
            await romeo.affairs.get_roster()
            contact = romeo.affairs.roster[juliet_.full]
            assert (contact.subscription, contact.name, contact.groups) == ("both", "Juliet", {"Capulets"})

            romeo.affairs.say(juliet.affairs.own, "But, soft!")
            message = await juliet.expect_message("But, soft!")
            assert message.from_ == romeo.affairs.own

            await romeo.affairs.remove_contact(juliet_)
            await juliet.expect_presence("unsubscribe", romeo_.full)
            await juliet.affairs.remove_contact(romeo_)

    run_in_reactor(scenario, timeout=30)


def test_requests_are_answered_both_ways(world: World, host: Peer) -> None:
    server = Address.parse(domain(host))

    async def scenario() -> tuple[list[str], str]:
        async with staying(world, f"romeo@{domain(host)}") as romeo:
            info = await romeo.affairs.ask("get", Element(DISCO_INFO, "query"), server)
            romeo.affairs.show()
            await romeo.affairs.ask("get", Element(PING, "ping"), romeo.affairs.own)
            try:
                await romeo.affairs.ask("get", Element("urn:nonsense", "x"), server)
            except RequestRefused as refused:
                query = info.first(DISCO_INFO, "query")
                assert query is not None
                return [
                    each.get("category") or "" for each in query.elements(DISCO_INFO, "identity")
                ], refused.condition
        raise AssertionError("nonsense was answered")

    identities, condition = run_in_reactor(scenario)
    assert "server" in identities
    assert condition in ("service-unavailable", "feature-not-implemented")
