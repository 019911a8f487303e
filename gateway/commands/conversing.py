"""A conversation of the running service with a domain; what it saw, as facts for a report."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from twisted.internet.threads import deferToThread

from gateway.config.advice import identities_of
from gateway.config.settings import Settings
from gateway.findings.facts import PeerAnswer, SeenConversation, SeenRequest
from gateway.inspection.certificate_facts import purposes
from gateway.net.certificates.own_certificates import Keyring
from gateway.notices.attempts.records import AttemptStep
from gateway.operations.control.client import PATIENCE, NotDone, NotRunning, ask
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain, to_ascii

_NOTHING = ("", "none", "address", "shown")  # these prove nothing
_ACKNOWLEDGED_SECONDS = 6.0
"""How long to wait for an acknowledgement after the last answer has come."""
_LOOK_SECONDS = 0.25
_EXPLAIN_SECONDS = 3.0  # kept for the last question to the service


async def converse(settings: Settings, domain: Domain, seconds: float, is_allowed: bool) -> SeenConversation:
    """Have the service of this configuration speak with a domain; `is_allowed`: with everything that there is.

    The control socket is read in a thread, as it blocks; that ends within `seconds`, so that the process can end, too.
    """
    try:
        told, explained = await deferToThread(_exchange, settings, domain, seconds, is_allowed)
    except (NotRunning, NotDone) as problem:
        return SeenConversation(ours="", problem=str(problem))
    identity = Keyring(identities_of(settings)).find(to_ascii(told["ours"]))
    ours = purposes(identity.chain[0]) if identity is not None else ""
    return as_fact(told, explained["streams"], explained["attempts"], ours)


def _exchange(settings: Settings, domain: Domain, seconds: float, is_allowed: bool) -> tuple[Any, Any]:
    """Have the service speak; return its answer, and what it explains about the domain then."""
    state, until = settings.gateway.state, time.monotonic() + seconds
    patience = max(1.0, min(PATIENCE, seconds - _EXPLAIN_SECONDS))
    told = ask(state, "converse", patience=patience, domain=domain, thorough="yes" if is_allowed else "")
    late = min(until - _EXPLAIN_SECONDS, time.monotonic() + _ACKNOWLEDGED_SECONDS)
    while True:
        explained = ask(state, "explain", patience=_EXPLAIN_SECONDS, domain=domain)
        if not _waits(_of(told["ours"], explained["streams"])) or time.monotonic() > late:
            return told, explained
        time.sleep(_LOOK_SECONDS)


def _waits(streams: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether an acknowledgement has yet to come."""
    return any(
        each["management"] in ("acknowledged", "resumable") and each["acknowledged_after"] is None
        for each in streams
        if each["direction"] == "out"
    )


def as_fact(
    told: Mapping[str, Any],
    streams: Sequence[Mapping[str, Any]],
    attempts: Iterable[Mapping[str, Any]] = (),
    our_purposes: str = "",
) -> SeenConversation:
    """Return the service's answers as a fact: what was asked, and what the streams with the domain prove."""
    ours = _of(told["ours"], streams)
    outgoing = [each for each in ours if each["direction"] == "out"]
    incoming = [each for each in ours if each["direction"] == "in"]
    requests = tuple(
        SeenRequest(
            what=each["what"],
            answer=PeerAnswer(each["answer"]),
            condition=each["condition"],
            told=each["told"],
            seconds=each["seconds"],
        )
        for each in told["requests"]
    )
    return SeenConversation(
        ours=told["ours"],
        requests=requests,
        clock_skew=told["clock_skew"],
        we_to_them=_first_proof(outgoing, "we_to_them"),
        they_to_us=_first_proof([*incoming, *outgoing], "they_to_us"),
        came_back=bool(incoming) or any(each.answer in (PeerAnswer.RESULT, PeerAnswer.ERROR) for each in requests),
        management=outgoing[0]["management"] if outgoing else "",
        acknowledged_after=outgoing[0]["acknowledged_after"] if outgoing else None,
        our_purposes=our_purposes,
        certificate_refused=_certificate_refused(told["ours"], attempts),
    )


def _of(ours: str, streams: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the streams that one of our domains uses."""
    return [each for each in streams if ours in (each["local"], *_domains_of(each["proofs"]))]


def _domains_of(pairs: Iterable[str]) -> Iterator[str]:
    """Yield both domains of pairs as status writes them; several pairs can share a stream."""
    for pair in pairs:
        yield from pair.split(" to ")


def _first_proof(streams: Iterable[Mapping[str, Any]], side: str) -> str:
    return next((str(each[side]) for each in streams if each[side] not in _NOTHING), "")


def _certificate_refused(ours: str, attempts: Iterable[Mapping[str, Any]]) -> str:
    """Return what they said when they refused our certificate in the latest attempt, or nothing."""
    latest = next((each for each in attempts if each["direction"] == "out" and each["local"] == ours), None)
    steps = latest["steps"] if latest is not None else ()
    refused = f"by {Means.EXTERNAL} refused"
    return next(
        (
            str(each["told"])
            for each in steps
            if each["step"] == AttemptStep.PROOF and not each["ok"] and str(each["told"]).startswith(refused)
        ),
        "",
    )
