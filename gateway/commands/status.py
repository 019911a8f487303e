"""The answer to `xmpp-gateway status`: problems first, then domains, streams, certificates, ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.telling import clock, duration, section, size, table
from gateway.notices.attempts.proofs import in_words
from gateway.notices.notices import counted

_BETWEEN_SERVERS = ("server", "keys")


def is_well(status: Mapping[str, Any]) -> bool:
    """Return whether nothing is wrong."""
    return not status["troubles"]


def render(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer as lines for people, troubles first."""
    up = duration(status["time"] - status["started"])
    yield f"xmpp-gateway {status['version']}, running for {up}: {verdict(status)}"
    for trouble in status["troubles"]:
        yield f"  - {trouble['sentence']}"
        since = f"since {clock(trouble['since'])}" if trouble["since"] else ""
        if told := "; ".join(filter(None, (since, trouble["remedy"]))):
            yield f"    {told}"
    domains = (
        [each["domain"], each["serve"], "up" if each["up"] else "DOWN", each["told"]] for each in status["domains"]
    )
    yield from section("domains", table(["domain", "served as", "", ""], domains, "none"))
    yield from section("streams", streams(status["streams"], status["time"]))
    certificates = (
        [each["domain"], each["not_after"], f"{each['days_left']:.0f} days", each["file"]]
        for each in status["certificates"]
    )
    yield from section("certificates", table(["domain", "until", "left", "file"], certificates, "none"))
    yield from section("doors", status["doors"] or ["none"])


def verdict(status: Mapping[str, Any]) -> str:
    """Return the state of everything in a few words."""
    wrong, failing = len(status["troubles"]), status["peer_states"].get("failing", 0)
    if wrong:
        return f"{wrong} things are wrong" if wrong > 1 else "one thing is wrong"
    if failing:
        return f"we are well, {counted(failing, 'other domain')} cannot be reached (xmpp-gateway peers)"
    return "all is well"


def streams(found: list[Mapping[str, Any]], now: float) -> Iterator[str]:
    """Yield streams as a table."""
    rows = (
        [
            each["kind"],
            f"{each['direction']}, both ways" if each["both_ways"] and each["kind"] == "server" else each["direction"],
            each["local"],
            each["remote"],
            each["state"],
            in_words(each["they_to_us"]) if each["kind"] in _BETWEEN_SERVERS else each["they_to_us"],
            in_words(each["we_to_them"]) if each["kind"] in _BETWEEN_SERVERS else "",
            each["tls"],
            duration(now - each["began"]),
            f"{size(each['bytes_in'])} in, {size(each['bytes_out'])} out",
            each["address"],
        ]
        for each in found
    )
    headings = [
        "kind",
        "way",
        "ours",
        "theirs",
        "state",
        "they to us",
        "we to them",
        "TLS",
        "age",
        "traffic",
        "address",
    ]
    return table(headings, rows, "none")
