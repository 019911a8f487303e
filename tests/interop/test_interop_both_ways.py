"""`interop` with the configuration of a running service: both directions, and what a domain answers."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from slixmpp.stanza import Iq

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.test_interop_faults import ids
from tests.support import forks
from tests.support.throwaway_ca import SERVER_AUTH

COMMAND = Path(sys.executable).with_name("xmpp-gateway")
SECONDS = 120  # of a busy machine
TRIES = 3  # where a busy machine may be late: what is wrong is wrong each time
COMPONENT = "component.prosody.test"


async def report(gateway: Peer, domain: str, *words: str) -> dict[str, Any]:
    """The report on a domain, made with the configuration of a gateway that runs."""
    assert isinstance(gateway, Gateway)
    command = [COMMAND, "interop", "--json", *words, "--config", gateway.configuration, domain]
    done = await asyncio.to_thread(forks.run, command, timeout=SECONDS)
    assert done.stdout, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("kind", ["prosody", "ejabberd", "jabberd2"])
async def test_stanzas_pass_both_ways(gateway: Peer, request: pytest.FixtureRequest, kind: str) -> None:
    for _ in range(TRIES):
        seen = await report(gateway, request.getfixturevalue(kind).site.domains[0])
        if ids(seen, "good") >= {"both-ways", "talks"}:
            break
    assert ids(seen, "broken", "flaw") == set(), seen["findings"]
    assert {"both-ways", "talks"} <= ids(seen, "good"), seen["facts"]["conversation"]
    talk = seen["facts"]["conversation"]
    assert (talk["ours"], talk["came_back"]) == ("gateway.test", True)
    assert abs(talk["clock_skew"]) < 60
    answers = {each["what"]: each["answer"] for each in talk["requests"]}
    assert answers["ping"] == answers["disco"] == answers["time"] == "result"
    assert answers["unknown user"] == answers["unknown request"] == answers["large"] == "error"


def silent(iq: Iq) -> str:
    return ""


def wrong_clock(iq: Iq) -> str:
    if iq.xml.find("{urn:xmpp:time}time") is not None:
        return "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo><utc>2001-01-01T00:00:00Z</utc></time>"
    return "as usual"


def agreeable(iq: Iq) -> str:
    """Answer everything by a result."""
    return "<anything xmlns='urn:anything'/>"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (silent, {"iq-unanswered": "theirs"}),
        (wrong_clock, {"clock-off": "theirs"}),
        (agreeable, {"unknown-user-wrong": "theirs", "unknown-request-wrong": "theirs"}),
    ],
)
async def test_answers_against_the_standards_are_told(
    gateway: Peer, prosody: Peer, answer: Callable[[Iq], str], expected: dict[str, str]
) -> None:
    async with attached(prosody) as component:

        def intercept(stanza: Any) -> Any:
            if not isinstance(stanza, Iq) or stanza["type"] != "get" or (payload := answer(stanza)) == "as usual":
                return stanza
            if payload:
                ends = f"from='{stanza['to']}' to='{stanza['from']}' id='{stanza['id']}'"
                component.xmpp.send_raw(f"<iq type='result' {ends}>{payload}</iq>")
            return None

        component.send_message("anybody@gateway.test", "so that their stream to us is there already")
        await component.expect_message("so that their stream to us is there already")
        component.xmpp.add_filter("in", intercept)
        seen = await report(gateway, COMPONENT)
    found = {each["id"]: each["side"] for each in seen["findings"] if each["level"] in ("broken", "flaw")}
    assert set(found) == set(expected), seen["facts"]["conversation"]
    assert all(side in found[id] for id, side in expected.items())


DEAF = """
module:hook("stanza/urn:xmpp:sm:3:r", function(event)
    if event.origin.to_host == "deaf.talk.test" then
        return true;
    end
end, 1000);
"""


async def test_acknowledgements_are_told_and_their_absence_is(world: Any, gateway: Peer, start: Starter) -> None:
    plugins = world.folder / "deaf"
    plugins.mkdir()
    (plugins / "mod_deaf.lua").write_text(DEAF)
    modules = ["disco", "ping", "time", "tls", "saslauth", "dialback", "smacks", "s2s_bidi", "deaf"]
    options = {"plugin_paths": [str(plugins)], "modules_enabled": modules}
    start(Prosody, "managed.talk.test", "deaf.talk.test", bidi=True, options=options)
    managed, deaf = [await report(gateway, domain) for domain in ("managed.talk.test", "deaf.talk.test")]
    assert ids(managed, "broken", "flaw") == set(), managed["findings"]
    assert {"acknowledges", "bidi-offered", "talks"} <= ids(managed, "good"), managed["facts"]
    assert "not-resumable" in ids(managed, "note")  # Prosody resumes streams of clients only
    assert ids(deaf, "broken", "flaw") == {"not-acknowledged"}, deaf["facts"]["conversation"]


async def test_what_they_make_of_a_certificate_for_servers_only_is_told(
    world: Any, start: Starter, prosody: Peer, ejabberd: Peer, gateway: Peer
) -> None:
    issued = world.authority.issue("serversonly.test", purposes=[SERVER_AUTH])
    ours = start(Gateway, "serversonly.test", certificate=issued)
    taken, refused, like_us = [await report(ours, peer.site.domains[0]) for peer in (prosody, ejabberd, gateway)]
    assert "certificate-for-servers-accepted" in ids(taken, "good"), taken["facts"]["conversation"]
    assert ids(taken, "broken", "flaw") == set(), taken["findings"]
    assert ids(refused, "broken", "flaw") == {"certificate-for-servers-refused"}, refused["facts"]["conversation"]
    assert ids(like_us, "broken", "flaw") == set(), like_us["findings"]
    assert {"resumable", "acknowledges", "talks", "certificate-for-servers-accepted"} <= ids(like_us, "good")


async def test_a_domain_that_refuses_us_is_told(gateway: Peer, start: Starter) -> None:
    hostile = start(Prosody, "refusing.test", options={"modules_enabled": ["disco"], "s2s_blacklist": ["gateway.test"]})
    seen = await report(gateway, hostile.site.domains[0])
    assert "not-let-in" in ids(seen, "broken") or "no-way-back" in ids(seen, "broken"), seen["facts"]["conversation"]


async def test_the_owner_of_a_domain_confirms_what_is_not_polite(gateway: Peer, world: Any, prosody: Peer) -> None:
    domain = prosody.site.domains[0]
    unconfirmed = await report(gateway, domain, "--thorough")
    assert "not-confirmed" in ids(unconfirmed, "note")
    world.nameserver.publish_records({f"_xmpp-interop.{domain}": {"TXT": ["thorough"], "TTL": 0}})
    seen = await report(gateway, domain, "--thorough")
    assert ids(seen, "broken", "flaw") == set(), seen["facts"]["tolerance"]
    tried = {each["what"]: each["answer"] for each in seen["facts"]["tolerance"]}
    assert tried == {
        "TLS 1.3 only": "result",
        "TLS 1.1 only": "error",
        "white space": "result",
        "a comment": "error",
        "1,000 pairs": "result",
    }
    answers = {each["what"]: each["answer"] for each in seen["facts"]["conversation"]["requests"]}
    assert answers["64 KiB"] == "error"
    asked = {each["what"] for each in unconfirmed["facts"]["conversation"]["requests"]}
    assert "64 KiB" not in asked
    assert "tolerant" in ids(seen, "good")
