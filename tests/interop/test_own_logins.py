"""Our client role at our own doors, at Prosody's and at ejabberd's: a visit from beginning to end.

Row by row it is proven in tests/features/client.
"""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.login.messaging import RequestRefused
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import DISCO_INFO, PING
from tests.interop.clients import PASSWORD
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support import forks
from tests.support.reactor import run_in_reactor

COMMAND = Path(sys.executable).with_name("xmpp-gateway")


def domain(host: Peer) -> str:
    return host.site.domains[0]


def test_logins_meet(world: World, host: Peer) -> None:
    """Roster, subscriptions both ways, presence, messages."""
    romeo_, juliet_ = (Address.parse(f"{name}@{domain(host)}") for name in ("romeo", "juliet"))

    async def scenario() -> None:
        async with staying(world, romeo_.full) as romeo, staying(world, juliet_.full) as juliet:
            for each in (romeo, juliet):
                await each.messaging.get_roster()
                each.messaging.show()
            await romeo.messaging.set_contact(juliet_, "Juliet", "Capulets")
            romeo.messaging.show(juliet_, "subscribe")
            await juliet.expect_presence("subscribe", romeo_.full)
            juliet.messaging.show(romeo_, "subscribed")
            juliet.messaging.show(romeo_, "subscribe")
            await romeo.expect_presence("subscribe", juliet_.full)
            romeo.messaging.show(juliet_, "subscribed")
            await romeo.expect_presence(None, juliet_.full)
            await juliet.expect_presence(None, romeo_.full)
            await romeo.messaging.get_roster()
            contact = romeo.messaging.roster[juliet_.full]
            assert (contact.subscription, contact.name, contact.groups) == ("both", "Juliet", {"Capulets"})

            romeo.messaging.say(juliet.messaging.own, "But, soft!")
            message = await juliet.expect_message("But, soft!")
            assert message.from_ == romeo.messaging.own

            await romeo.messaging.remove_contact(juliet_)
            await juliet.expect_presence("unsubscribe", romeo_.full)
            await juliet.messaging.remove_contact(romeo_)

    run_in_reactor(scenario)


def test_requests_are_answered_both_ways(world: World, host: Peer) -> None:
    server = Address.parse(domain(host))

    async def scenario() -> tuple[list[str], str]:
        async with staying(world, f"romeo@{domain(host)}") as romeo:
            info = await romeo.messaging.ask("get", Element(DISCO_INFO, "query"), server)
            romeo.messaging.show()
            await romeo.messaging.ask("get", Element(PING, "ping"), romeo.messaging.own)
            try:
                await romeo.messaging.ask("get", Element("urn:nonsense", "x"), server)
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


def probed(world: World, jid: str, folder: Path, password: str = PASSWORD) -> tuple[int, list[str]]:
    """Return what the probe prints, and its exit status."""
    names = world.nameserver.names
    file = folder / "gateway.toml"
    file.write_text(
        f'[gateway]\nstate = "state"\n[tls]\nauthorities = "{world.authorities}"\n'
        f'[dns]\nnameservers = ["{names.address}:{names.port}"]\n[domains."unused.test"]\nserve = "im"\n'
    )
    command = [COMMAND, "login", "--config", str(file), jid]
    done = forks.run(command, typed=f"{password}\n", timeout=30)
    return done.returncode, done.stdout.splitlines()


def test_probe_shows_each_step(world: World, host: Peer, tmp_path: Path) -> None:
    status, lines = probed(world, f"romeo@{domain(host)}", tmp_path)
    assert status == 0, lines
    told = "\n".join(lines)
    for step in (
        "_xmpp-client._tcp",
        "connected",
        "TLSv1.3 with",
        "logged in as romeo",
        "bound as romeo",
        "the roster has",
    ):
        assert step in told
    assert lines[-2:] == ["the server answered a ping", "left: closed by us"]


def test_probe_says_why_it_was_not_let_in(world: World, host: Peer, tmp_path: Path) -> None:
    status, lines = probed(world, f"romeo@{domain(host)}", tmp_path, "wrong")
    assert status == 4
    assert "the login was refused with not-authorized" in lines[-1]
    assert "wrong" not in " ".join(lines)
