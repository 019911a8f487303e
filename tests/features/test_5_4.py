"""Feature 5-4: the SASL error conditions are supported (RFC 6120 §6.5): what can arise at a port is named by its
condition, the stream lives on for another try, and the tries are bounded.
"""

from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.features.sasl import failure_element, read_failure
from gateway.features.sasl_receiving import MOST_TRIES
from gateway.xmpp.errors import SaslCondition, SaslFailure
from tests.interop.knocking import condition, knocking, opened, plain, sent_away
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT
from tests.interop.probe import SASL, dial


def auth(mechanism: str, payload: str | None = None) -> str:
    text = b64encode(payload.encode()).decode() if payload is not None else ""
    return f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>"


@pytest.mark.parametrize(
    ("told", "typed"),
    [
        ("aborted", f"<abort xmlns='{SASL}'/>"),
        ("incorrect-encoding", f"<auth xmlns='{SASL}' mechanism='PLAIN'>not base64!</auth>"),
        ("invalid-authzid", auth("PLAIN", "juliet@im.test\0romeo\0wherefore art thou")),
        ("invalid-mechanism", auth("X-NONSENSE")),
        ("malformed-request", auth("PLAIN", "no NUL in it")),
        ("mechanism-too-weak", auth("DIGEST-MD5")),
        ("not-authorized", auth("PLAIN", "\0romeo\0wrong")),
        ("not-authorized", auth("PLAIN", "\0nobody\0wrong")),
        ("not-authorized", auth("EXTERNAL", "")),
    ],
)
async def test_condition_is_told_and_the_next_try_may_succeed(house: Peer, told: str, typed: str) -> None:
    async with knocking(house) as probe:
        await probe.type(typed)
        failure = await probe.element()
        assert failure.tag == f"{{{SASL}}}failure"
        assert condition(failure) == told
        assert (await plain(probe, "romeo")).tag == f"{{{SASL}}}success"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1"])
async def test_encryption_required_before_tls(house: Peer, mechanism: str) -> None:
    async with dial(*house.at(CLIENT)) as probe:
        await opened(probe, house)
        await probe.type(auth(mechanism, "\0romeo\0wherefore art thou"))
        assert condition(await probe.element()) == "encryption-required"


async def test_tries_are_bounded(house: Peer) -> None:
    async with knocking(house) as probe:
        for _ in range(MOST_TRIES):
            assert condition(await plain(probe, "romeo", "wrong")) == "not-authorized"
        await probe.type(auth("PLAIN", "\0romeo\0wrong"))
        assert await sent_away(probe) == "policy-violation"


async def test_h_17_unknown_account_and_wrong_password_are_told_by_the_same_bytes(house: Peer) -> None:
    answers = []
    for user in ("romeo", "nobody", "@", "x" * 1024):
        async with knocking(house) as probe:
            read = len(probe.received)
            await plain(probe, user, "wrong")
            answers.append(probe.received[read:])
    assert len(set(answers)) == 1


@pytest.mark.parametrize("known", list(SaslCondition))
def test_every_condition_can_be_written_and_read(known: SaslCondition) -> None:
    read = read_failure(failure_element(SaslFailure(known, "why")))
    assert (read.condition, read.text) == (known, "why")
