"""The answers to `xmpp-gateway queues`: the routes to other domains, and the stanzas that are kept for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.screen import Screen
from gateway.commands.telling import clock, next_try, node_of, table
from gateway.notices.notices import counted
from gateway.operations.log import harmless


def render(answer: list[Mapping[str, Any]], screen: Screen) -> Iterator[str]:
    """Yield a table of the routes to other domains and the stanzas that wait on each."""
    rows = (
        [
            queue["sender"],
            queue["target"],
            queue["disposition"],
            queue["stanzas"],
            queue["sent"],
            next_try(queue["retry_in"]),
            *node_of(queue),
        ]
        for queue in answer
    )
    headings = ["from", "to", "now", "waiting", "sent", "next try", *(["node"] if any(map(node_of, answer)) else [])]
    return table(headings, rows, "no stanza is waiting, and none was sent")


def is_ready(answer: Mapping[str, Any]) -> bool:
    """Return whether the outbox takes stanzas."""
    return str(answer["condition"]) == "ready"


def waiting(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield the kept stanzas of each domain by age in minutes, as Postfix' qshape shows them."""
    ages = [f"{bound // 60}" for bound in answer["ages"]]
    headings = ["kept for", "all", "KiB", *(f"<{age}" for age in ages), f"{ages[-1]}+ min", "state"]
    rows = (
        [
            each["domain"],
            each["stanzas"],
            each["bytes"] // 1024,
            *each["ages"],
            "held" if each["is_held"] else "waiting",
        ]
        for each in answer["domains"]
    )
    if answer["condition"] != "ready":
        yield f"OUTBOX {answer['condition']}: {answer['sentence']}; {answer['remedy']}"
    yield from table(headings, rows, "nothing is kept in the outbox")
    if empty := sorted({*answer["held"]} - {each["domain"] for each in answer["domains"]}):
        yield f"held, with nothing waiting: {', '.join(empty)}"


def show(answer: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield what is kept for one domain."""
    yield f"{answer['domain']}{': held by an operator' if answer['is_held'] else ''}"
    rows = ([each["pair"][0], each["stanzas"], each["bytes"], clock(each["oldest"])] for each in answer["pairs"])
    yield from table(["from", "waiting", "bytes", "oldest"], rows, "nothing is kept")
    if (failing := answer["failing"]) is not None:
        times = counted(failing["failures"], "attempt")
        yield f"{times} failed since {clock(failing['since'])}; the last: {harmless(failing['reason'])}"
    for each in answer["aside"]:
        yield f"set aside: {each['bytes']} bytes from {each['sender']}, {clock(each['accepted'])}: {each['reason']}"
        if "raw" in each:
            yield f"  {each['raw']}"
    for each in answer["stanzas"]:
        yield f"{clock(each['accepted'])} from {each['sender']}: {each['raw']}"
