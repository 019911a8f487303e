"""On the wire, against a whole gateway: the rows of which the tests beside this one look at single rooms.

Each test bears the id of its row.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from hashlib import sha1
from types import SimpleNamespace

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.knocking import condition, knocking, plain
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT as COMPONENT_PORT
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, component_header, dial, header
from tests.interop.scripted import EXTERNAL, scripted
from tests.interop.world import World
from tests.support.throwaway_ca import self_signed

DOMAIN, OTHER, BRIDGE, ABSENT = "rows.test", "other.rows.test", "bridge.rows.test", "absent.rows.test"
PEER = "peer.ofrows.test"
PING = "<iq type='get' id='alive' from='a@{peer}/r' to='{domain}'><ping xmlns='urn:xmpp:ping'/></iq>"


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    options = {"log": {"level": "info"}, "domains": {"people.rows.test": {"serve": "im"}}}
    server = start_all(
        Gateway, DOMAIN, OTHER, components={BRIDGE: "secret", ABSENT: "secret"}, options=options, require_tls=True
    )
    server.register("romeo@people.rows.test", "by any other name")
    return server


async def proved(world: World, probe: Probe, domain: str = PEER, to: str = DOMAIN) -> None:
    await probe.prove(client_tls(world.bundle(world.authority.issue(domain))), domain, to)


async def test_h_03_stream_ids_cannot_be_guessed_nor_come_again(gateway: Peer) -> None:
    ids = set()
    for _ in range(50):
        async with dial(gateway.address, SERVER) as probe:
            ids.add((await probe.open(PEER, DOMAIN)).get("id", ""))
    assert len(ids) == 50
    assert min(map(len, ids)) * 6 >= 128  # six bits in each character of base64
    assert len({each[:4] for each in ids}) > 45


@pytest.mark.parametrize("trusted", [True, False], ids=["of another domain", "of an unknown authority"])
async def test_h_04_such_a_certificate_does_not_spare_dialback(world: World, gateway: Peer, trusted: bool) -> None:
    """The domain has no server, so dialback fails; with a certificate that proves it, nobody would be asked."""
    issued = world.authority.issue("another.test") if trusted else self_signed("nowhere.ofrows.test")
    async with dial(gateway.address, SERVER) as probe:
        await begun(probe, client_tls(world.bundle(issued)), "nowhere.ofrows.test")
        await probe.type(f"<db:result from='nowhere.ofrows.test' to='{DOMAIN}'>0123456789</db:result>")
        assert (await probe.element()).get("type") == "error"
    async with dial(gateway.address, SERVER) as probe:
        await begun(
            probe, client_tls(world.bundle(world.authority.issue("nowhere.ofrows.test"))), "nowhere.ofrows.test"
        )
        await probe.type(f"<db:result from='nowhere.ofrows.test' to='{DOMAIN}'>0123456789</db:result>")
        assert (await probe.element()).get("type") == "valid"


async def begun(probe: Probe, context: object, sender: str) -> None:
    """A stream under TLS on which nothing is proved."""
    await probe.open(sender, DOMAIN)
    await probe.element()
    await probe.secure(context, DOMAIN)  # type: ignore[arg-type]
    await probe.open(sender, DOMAIN)
    await probe.element()


@pytest.mark.parametrize("change", [lambda key: "", lambda key: key[:-1], lambda key: key[::-1], lambda key: f"{key}0"])
async def test_h_05_only_the_very_handshake_is_taken(gateway: Peer, change: Callable[[str], str]) -> None:
    async with dial(gateway.address, COMPONENT_PORT) as probe:
        await probe.type(component_header(BRIDGE))
        key = sha1(f"{(await probe.header()).get('id')}secret".encode()).hexdigest()
        await probe.type(f"<handshake>{change(key)}</handshake>")
        assert await probe.error() == "not-authorized"


@pytest.mark.parametrize(("sender", "to"), [("second.ofrows.test", DOMAIN), (PEER, OTHER)])
async def test_h_06_no_other_names_after_a_restart(world: World, gateway: Peer, sender: str, to: str) -> None:
    bundle = world.bundle(world.authority.issue(PEER, "second.ofrows.test"))
    async with dial(gateway.address, SERVER) as probe:
        await begun(probe, client_tls(bundle), PEER)
        await probe.authenticate(PEER)
        await probe.open(sender, to)
        await probe.type(f"<message from='a@{sender}' to='{to}'/>")
        assert await probe.error() in ("invalid-from", "host-unknown", "not-authorized")


async def test_h_17_an_unknown_account_looks_like_a_wrong_password(gateway: Peer) -> None:
    answers = []
    for user in ("romeo", "nobody"):
        async with knocking(people(gateway)) as probe:
            began = time.monotonic()
            failure = await plain(probe, user, "wrong")
            answers.append((condition(failure), len(probe.received), time.monotonic() - began > 0.01))
    assert answers[0] == answers[1]


def people(gateway: Peer) -> Peer:
    """The gateway as clients of its accounts see it."""
    return SimpleNamespace(at=gateway.at, site=SimpleNamespace(domains=("people.rows.test",)))  # type: ignore[return-value]


async def test_h_21_where_tls_is_not_offered_nothing_is_proved_or_sent(world: World, gateway: Peer) -> None:
    """Somebody in the middle has taken `<starttls/>` out of the features."""
    async with scripted(world, "stripped.test") as script, attached(gateway) as component:
        number = component.send_message("a@stripped.test", "a secret")
        probe = await script.connection()
        await script.greet(probe, EXTERNAL + "<dialback xmlns='urn:xmpp:features:dialback'/>")
        with contextlib.suppress(Exception):
            await probe.ended()
        assert b"auth" not in probe.received
        assert b"db:result" not in probe.received
        assert b"secret" not in probe.received
        assert await component.expect_error(number) == "remote-server-timeout"


@pytest.mark.parametrize(
    "said",
    [
        header(PEER, DOMAIN).encode("utf-16"),
        header(PEER, DOMAIN).encode() + b"<a>\xc0\xbc</a>",
        header(PEER, DOMAIN).encode() + b"<a>\xed\xa0\x80</a>",
        header(PEER, DOMAIN).encode() + "<a>\ufffe</a>".encode(),
        header(PEER, DOMAIN).replace("'1.0'?>", "'1.0' encoding='ISO-8859-1'?>", 1).encode() + b"<a>\xfc</a>",
    ],
    ids=["UTF-16", "overlong", "surrogate", "U+FFFE", "another encoding"],
)
async def test_h_31_only_proper_utf_8_is_read(gateway: Peer, said: bytes) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.type(said)
        heard = b""
        with contextlib.suppress(TimeoutError):
            while piece := await probe.unparsed(5):
                heard += piece
        assert re.search(rb"<(unsupported-encoding|not-well-formed|bad-format|invalid-xml)", heard)
        assert heard.endswith(b"</stream:stream>")


async def test_h_32_one_huge_token_in_small_pieces_takes_no_more_time_than_it_is_long(
    world: World, gateway: Peer
) -> None:
    """Half a megabyte in pieces of 512 bytes; with a parser that starts again each time it would take minutes."""
    async with dial(gateway.address, SERVER) as probe:
        await proved(world, probe)
        began = time.monotonic()
        await probe.type(f"<message from='a@{PEER}' to='a@{ABSENT}' id='huge' x='")
        for _ in range(900):
            await probe.type("x" * 512)
        await probe.type("'/>")
        await probe.type(PING.format(peer=PEER, domain=DOMAIN))
        async with dial(gateway.address, SERVER) as other:  # who is let in meanwhile
            await other.open("patient.test", DOMAIN)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "to",
    [
        "a@" + "x" * 1100 + ".test",
        "x" * 1100 + f"@{DOMAIN}",
        f"a@{DOMAIN}/" + "x" * 1100,
        f"\u0378@{DOMAIN}",
        "@@",
        "a@",
    ],
    ids=["domain", "local", "resource", "unassigned", "two ats", "no domain"],
)
async def test_h_34_bad_addresses_are_refused_and_the_gateway_lives_on(world: World, gateway: Peer, to: str) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await proved(world, probe)
        await probe.type(f"<message from='a@{PEER}/r' to='{to}' id='bad'/>")
        with contextlib.suppress(Exception):
            await probe.element(timeout=2)
    async with dial(gateway.address, SERVER) as probe:
        await proved(world, probe)
        await probe.type(f"<message from='x@{PEER}/r' to='{DOMAIN}'/>")
    assert "Traceback" not in gateway.log()


@pytest.mark.parametrize("kind", ["message", "presence", "iq"])
async def test_h_40_errors_and_results_are_not_answered(world: World, gateway: Peer, kind: str) -> None:
    async with scripted(world, f"answered-{kind}.test") as script, dial(gateway.address, SERVER) as probe:
        await proved(world, probe, script.domain, ABSENT)
        for type_ in ("error", "result") if kind == "iq" else ("error",):
            await probe.type(f"<{kind} type='{type_}' id='1' from='a@{script.domain}/r' to='b@{ABSENT}'/>")
        await probe.type(f"<message id='last' from='a@{script.domain}/r' to='b@{ABSENT}'><body/></message>")
        answers = await script.established()
        assert (await answers.element()).get("id") == "last"


async def test_h_41_a_bounce_is_no_larger_than_its_cause_and_a_kilobyte(world: World, gateway: Peer) -> None:
    async with scripted(world, "answered.test") as script, dial(gateway.address, SERVER) as probe:
        await proved(world, probe, script.domain, ABSENT)
        cause = (
            f"<message id='{'i' * 500}' from='a@{script.domain}/r' to='b@{ABSENT}'><body>{'x' * 20000}</body></message>"
        )
        await probe.type(cause)
        answers = await script.established()
        before = len(answers.received)
        assert (await answers.element()).get("type") == "error"
        assert len(answers.received) - before <= len(cause) + 1024


async def test_h_42_what_a_peer_says_stays_within_its_line_of_the_log(gateway: Peer) -> None:
    ugly = "&#10;2026-01-01T00:00:00 error all is lost\u202e\u0085" + "y" * 9000
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("ugly.test", DOMAIN)
        await probe.element()
        text = f"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>{ugly}</text>"
        await probe.type(
            f"<stream:error><undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>{text}</stream:error>"
        )
        assert gateway.logged("ugly.test", "undefined-condition")
    lines = gateway.log().splitlines()
    assert not any(line.startswith("2026-01-01") for line in lines)
    assert "\u202e" not in gateway.log()
    assert max(map(len, lines)) < 5000


async def test_h_44_after_a_failed_connect_every_waiting_stanza_comes_back_once(world: World, gateway: Peer) -> None:
    world.nameserver.publish_records({"_xmpp-server._tcp.closed.test": {"SRV": ["0 0 7999 closed.test"]}})
    world.nameserver.publish_records({"closed.test": {"A": [gateway.address]}})
    async with attached(gateway) as component:
        numbers = [component.send_message("a@closed.test", str(number)) for number in range(20)]
        for number in numbers:
            assert await component.expect_error(number) == "remote-server-timeout"
    queues = gateway.operate("queues", "--json")  # type: ignore[attr-defined]
    assert "closed.test" not in queues
