"""Has the running service speak with a domain, and returns what it saw as facts for a report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.internet.threads import deferToThread

from gateway.findings.facts import PeerAnswer, SeenConversation, SeenRequest
from gateway.operations.control.client import NotDone, NotRunning, ask
from gateway.xmpp.addresses import Domain

_NOTHING = ("", "none", "address", "shown")  # these prove nothing


async def converse(state: Path, domain: Domain) -> SeenConversation:
    """Ask the service with this state folder; the control socket is read in a thread, as it blocks."""
    try:
        told = await deferToThread(ask, state, "converse", domain=domain)
        explained = await deferToThread(ask, state, "explain", domain=domain)
    except (NotRunning, NotDone) as problem:
        return SeenConversation(ours="", problem=str(problem))
    return as_fact(told, explained["streams"])


def as_fact(told: Mapping[str, Any], streams: list[Mapping[str, Any]]) -> SeenConversation:
    """Return the service's answers as a fact: what was asked, and what the streams with the domain prove."""
    ours = [each for each in streams if told["ours"] in (each["local"], *_domains_of(each["proofs"]))]
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
    )


def _domains_of(pairs: Iterable[str]) -> Iterator[str]:
    """Yield both domains of pairs as status writes them; several pairs can share a stream."""
    for pair in pairs:
        yield from pair.split(" to ")


def _first_proof(streams: list[Mapping[str, Any]], side: str) -> str:
    return next((str(each[side]) for each in streams if each[side] not in _NOTHING), "")
