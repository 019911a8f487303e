"""The answer to `xmpp-gateway status`: problems first, then domains, streams, certificates, ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.telling import duration, section, size, table

FEW_DAYS = 14


def is_well(status: Mapping[str, Any]) -> bool:
    """Return whether nothing is wrong."""
    return not any(problems(status))


def problems(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems, in words."""
    yield from status["problems"]
    for domain in status["domains"]:
        if not domain["up"]:
            yield f"{domain['domain']} is not served: {domain['told']}"
    for certificate in status["certificates"]:
        if certificate["days_left"] < FEW_DAYS:
            left = certificate["days_left"]
            ends = f"expires in {left:.0f} days" if left > 0 else f"expired on {certificate['not_after']}"
            yield f"the certificate for {certificate['domain']} {ends}: {certificate['file']}"


def render(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer as lines for people, problems first."""
    wrong = list(problems(status))
    up = duration(status["time"] - status["started"])
    verdict = (
        "all is well" if not wrong else f"{len(wrong)} things are wrong" if len(wrong) > 1 else "one thing is wrong"
    )
    yield f"xmpp-gateway {status['version']}, running for {up}: {verdict}"
    yield from (f"  - {problem}" for problem in wrong)
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


def streams(found: list[Mapping[str, Any]], now: float) -> Iterator[str]:
    """Yield streams as a table."""
    rows = (
        [
            each["kind"],
            f"{each['direction']}, both ways" if each["both_ways"] and each["kind"] == "server" else each["direction"],
            each["local"],
            each["remote"],
            each["state"],
            ", ".join(sorted(set(each["proofs"].values()))),
            each["tls"],
            duration(now - each["began"]),
            f"{size(each['bytes_in'])} in, {size(each['bytes_out'])} out",
            each["address"],
        ]
        for each in found
    )
    headings = ["kind", "way", "ours", "theirs", "state", "proof", "TLS", "age", "traffic", "address"]
    return table(headings, rows, "none")
