"""A requirement that is not met ends in a refusal, ours or theirs; senders get an error, and our log says why.

An unlucky stanza comes back as `remote-server-timeout` from us (RFC 6120 §8.3.3.17: there is a server, and it could not
be used); other servers have their own ideas which of the two conditions that is.
"""

from __future__ import annotations

import pytest

from tests.interop.clients import Entity, attached, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Ejabberd, Gateway, Peer, Prosody
from tests.support.throwaway_ca import self_signed

# ejabberd takes three seconds of processor time to start, and our half of each refusal is the same.
EACH = [Prosody, pytest.param(Ejabberd, marks=pytest.mark.soak)]
KINDS = pytest.mark.parametrize("kind", EACH)
# Where we offer nothing but TLS and they have none, Prosody tries without, and ejabberd leaves.
LEFT = {Prosody: ["TLS is required here", "no-tls"], Ejabberd: ["STARTTLS is disabled", "closed-by-peer"]}
UNREACHED = ("remote-server-not-found", "remote-server-timeout")


async def bounce(sender: Entity, to: str) -> str:
    """The condition with which a message to this address comes back."""
    return await sender.expect_error(sender.send_message(to, "Art thou there?"))


def told(server: Peer, *words: str) -> list[str]:
    """Return the lines of its log that have all these words; what was just sent may be logged a bit later."""
    return server.logged(*words)


@pytest.fixture(scope="module")
def strict(start_all: Starter) -> Peer:
    """A gateway that talks with nobody without a good certificate."""
    return start_all(Gateway, "strict.test", components={"component.strict.test": "secret"}, require_certificates=True)


@pytest.fixture(scope="module")
def careful(start_all: Starter) -> Peer:
    """A gateway that talks with nobody without TLS; any certificate will do."""
    return start_all(Gateway, "careful.test", components={"component.careful.test": "secret"}, require_tls=True)


@pytest.fixture(scope="module", params=EACH)
def weak(request: pytest.FixtureRequest, start_all: Starter) -> Peer:
    """Each kind of other server, with TLS and a certificate that nobody trusts."""
    domain = f"weak.{request.param.name.lower()}.test"
    return start_all(request.param, domain, certificate=self_signed(domain), require_tls=True)


async def test_we_refuse_a_server_without_a_good_certificate(strict: Peer, weak: Peer) -> None:
    [domain] = weak.site.domains
    async with user(weak, "romeo") as romeo, attached(strict) as component:
        assert await bounce(romeo, "anybody@strict.test") in UNREACHED
        assert told(strict, f"from {domain}", "failed", "self-signed", "not-trusted")
        assert await bounce(component, f"romeo@{domain}") == "remote-server-timeout"
        assert told(strict, f"to {domain}", "failed", "self-signed", "not-trusted")


async def test_we_let_a_server_with_a_good_certificate_in(strict: Peer, peer: Peer) -> None:
    async with user(peer, "romeo") as romeo:
        romeo.send_message("anybody@strict.test", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert set(strict.proofs(peer.site.domains[0])) == {"external"}


@KINDS
async def test_they_refuse_us_without_a_good_certificate(start: Starter, kind: type[Peer]) -> None:
    theirs = start(kind, f"proud.{kind.name.lower()}.test", require_certificates=True)
    ours = start(
        Gateway,
        "weak.test",
        components={"component.weak.test": "secret"},
        certificate=self_signed("weak.test", "component.weak.test"),
    )
    async with user(theirs, "romeo") as romeo, attached(ours) as component:
        assert await bounce(component, romeo.jid) == "remote-server-timeout"
        assert told(ours, "from component.weak.test to", "ended the stream with not-authorized")
        assert await bounce(romeo, "anybody@weak.test") in UNREACHED


@KINDS
async def test_we_refuse_a_server_without_tls(start: Starter, careful: Peer, kind: type[Peer]) -> None:
    domain = f"open.{kind.name.lower()}.test"
    clear = start(kind, domain, starttls=False)
    async with user(clear, "romeo") as romeo, attached(careful) as component:
        assert await bounce(romeo, "anybody@careful.test") in UNREACHED
        assert told(careful, f"from {domain}", *LEFT[kind])
        assert await bounce(component, f"romeo@{domain}") == "remote-server-timeout"
        assert told(careful, f"to {domain}", "does not offer STARTTLS", "no-tls")


async def test_tls_is_enough_where_no_certificate_is_demanded(careful: Peer, weak: Peer) -> None:
    async with user(weak, "romeo") as romeo:
        romeo.send_message("anybody@careful.test", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert careful.proofs(weak.site.domains[0]) == ["dialback"]


async def test_nothing_is_exchanged_with_whom_we_do_not_allow(start: Starter, peer: Peer) -> None:
    domain = peer.site.domains[0]
    options = {"peers": {domain: {"allow": False}}}
    ours = start(Gateway, f"shy.{domain}", components={f"component.shy.{domain}": "secret"}, options=options)
    async with user(peer, "romeo") as romeo, attached(ours) as component:
        assert await bounce(romeo, f"anybody@shy.{domain}") in UNREACHED
        assert told(ours, f"from {domain}", f"[peers] does not allow {domain}")
        assert await bounce(component, romeo.jid) == "not-allowed"
