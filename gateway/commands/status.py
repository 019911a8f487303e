"""The answer to `xmpp-gateway status`: problems first, then what is good to know, on one screen at any size.

It answers, in this order: what is wrong and what to do; which other domains cannot be reached, since when, whose side
the cause is on, how much waits for them; what expires soon; how full the disk is; whether our own domains are served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.commands.screen import Screen, Tint
from gateway.commands.telling import duration, fitted, moment, section, size, table
from gateway.notices.attempts.proofs import in_words
from gateway.notices.attempts.verdicts import ADVICE, Verdict
from gateway.notices.notices import counted
from gateway.operations.log import harmless

MOST_ROWS = 10
"""The most rows of a table in the short form."""
SOON_DAYS = 14
"""A certificate of another domain that expires within this many days is named."""
_BETWEEN_SERVERS = ("server", "keys")
_STATES = {
    "failing": "cannot be reached",
    "opening": "being opened",
    "connected": "connected",
    "quiet": "without streams now",
    "turned-away": "turned away unproved",
}


def is_well(status: Mapping[str, Any]) -> bool:
    """Return whether nothing is wrong."""
    return not status["troubles"]


def render(status: Mapping[str, Any], screen: Screen, *, all: bool = False) -> Iterator[str]:
    """Yield the answer as lines for people, troubles first; `all` adds every stream, domain and certificate."""
    up = duration(status["time"] - status["started"])
    tint = Tint.GOOD if is_well(status) else Tint.BAD
    yield screen.tinted(f"xmpp-gateway {status['version']}, running for {up}: {verdict(status)}", tint)
    for trouble in status["troubles"]:
        yield from screen.folded(trouble["sentence"], first="  - ", rest="    ", tint=Tint.BAD)
        since = f"since {moment(trouble['since'], status['time'])}" if trouble["since"] else ""
        if told := "; ".join(filter(None, (since, trouble["remedy"]))):
            yield from screen.folded(told, first="    ", rest="    ")
    if "cluster" in status:
        yield from section("nodes", _nodes(status["cluster"], status["time"]))
    most = None if all else MOST_ROWS
    yield from _others(status, screen, most)
    yield from section("our domains", _domains(status["domains"], screen, most))
    yield from section("certificates", _certificates(status["certificates"], screen, most))
    yield from _facts(status, screen)
    if all:
        yield from section("streams", streams(status["streams"], status["time"]))
    elif status["stream_count"]:
        yield from section(
            "", [screen.tinted("every stream, domain and certificate: xmpp-gateway status --all", Tint.FAINT)]
        )


def _nodes(cluster: Mapping[str, Any], now: float) -> Iterator[str]:
    """Yield a line for each node of the cluster, this one marked, and what keeps it from being a member."""
    rows = []
    for node in cluster["nodes"]:
        state = ("draining" if node["standing"] == "draining" else "up") if node["live"] else "gone"
        told = node.get("problem") or "; ".join(node.get("troubles", ()))
        is_this = " (this one)" if node["node"] == cluster["node"] else ""
        up = duration(now - node["started"]) if "started" in node else ""
        figures = [node["shards"], node.get("streams", ""), node.get("waiting", ""), node.get("kept", "")]
        rows.append([f"{node['node']}{is_this}", state, up, *figures, node["crossing"], harmless(told, 200)])
    headings = ["node", "state", "for", "shards", "streams", "waiting", "kept", "crossing", "what is wrong"]
    yield from table(headings, rows, "no node is known yet")
    if cluster["nats"]:
        yield f"NATS cannot be reached: {harmless(cluster['nats'], 300)}"
    elif cluster["life"] != "a member":
        yield f"this node is {cluster['life']}"


def verdict(status: Mapping[str, Any]) -> str:
    """Return the state of everything in a few words."""
    wrong, failing = len(status["troubles"]), status["peer_states"].get("failing", 0)
    if wrong:
        return f"{wrong} things are wrong" if wrong > 1 else "one thing is wrong"
    if failing:
        return f"we are well, {counted(failing, 'other domain')} cannot be reached (xmpp-gateway peers)"
    return "all is well"


def whose_side(verdict: str) -> str:
    """Return on which side the cause of a failure is; empty if an older command does not know the verdict."""
    return ADVICE[Verdict(verdict)].side if verdict in ADVICE else ""


def _others(status: Mapping[str, Any], screen: Screen, most: int | None) -> Iterator[str]:
    """Yield the other domains: how many are in which state, the worst ones, and certificates that expire."""
    states = status["peer_states"]
    parts = [f"{states[name]} {words}" for name, words in _STATES.items() if states.get(name)]
    count = counted(status["peer_count"], "other domain")
    yield ""
    yield from screen.folded(f"{count}{': ' if parts else ''}{', '.join(parts)}", rest="  ")
    failing = [each for each in status["peers"] if each["state"] == "failing"]
    if failing:
        yield from (f"  {line}" for line in failures(failing, status["time"], _inner(screen), most))
    expiring = sorted(
        (each["certificate_days"], each["domain"])
        for each in status["peers"]
        if each["certificate_days"] is not None and each["certificate_days"] < SOON_DAYS
    )
    if expiring:
        shown = [f"{name} ({_days_left(days)})" for days, name in expiring[: most or len(expiring)]]
        more = f" and {len(expiring) - len(shown)} more" if len(expiring) > len(shown) else ""
        told = f"their certificates that expire within {SOON_DAYS} days: {', '.join(shown)}{more}"
        yield from screen.folded(told, first="  ", rest="    ")


def failures(failing: Sequence[Mapping[str, Any]], now: float, screen: Screen, most: int | None) -> Iterator[str]:
    """Yield domains that cannot be reached, those with the most waiting stanzas first."""
    worst = sorted(failing, key=lambda each: (-each["queued"], each["domain"]))
    shown = worst[: most or len(worst)]
    rows = (
        [
            each["domain"],
            duration(now - each["since"]) if each["since"] is not None else "",
            each["queued"],
            duration(each["oldest"]) if each["oldest"] else "",
            f"{each['verdict']} ({whose_side(each['verdict'])})",
        ]
        for each in shown
    )
    headings = ["cannot be reached", "for", "waiting", "oldest", "why (whose side)"]
    yield from fitted(screen, headings, rows, "none", lambda cells: Tint.BAD, folds=True)
    if more := len(worst) - len(shown):
        yield f"and {more} more: xmpp-gateway peers --failing"
    yield f"why in full, and what to do: xmpp-gateway explain {shown[0]['domain']}"


def _domains(found: Sequence[Mapping[str, Any]], screen: Screen, most: int | None) -> Iterator[str]:
    """Yield our own domains, those that are down first."""
    ordered = sorted(found, key=lambda each: bool(each["up"]))
    shown = ordered[: most or len(ordered)]
    rows = ([each["domain"], each["serve"], "up" if each["up"] else "DOWN", each["told"]] for each in shown)
    headings = ["domain", "served as", "state", "details"]
    yield from fitted(_inner(screen), headings, rows, "none", lambda cells: Tint.BAD if cells[2] == "DOWN" else None)
    if more := len(ordered) - len(shown):
        down = sum(not each["up"] for each in ordered[len(shown) :])
        yield f"and {more} more, {f'{down} of them DOWN' if down else 'all up'}"


def _certificates(found: Sequence[Mapping[str, Any]], screen: Screen, most: int | None) -> Iterator[str]:
    """Yield our certificates, the first to expire first; a file that several domains share is one row."""
    files: dict[str, list[Mapping[str, Any]]] = {}
    for each in found:
        files.setdefault(each["file"], []).append(each)
    ordered = sorted(files.values(), key=lambda group: float(group[0]["days_left"]))
    shown = ordered[: most or len(ordered)]
    rows = (
        [
            group[0]["domain"] + (f" and {len(group) - 1} more" if len(group) > 1 else ""),
            group[0]["not_after"],
            f"{group[0]['days_left']:.0f} days",
            group[0]["file"],
        ]
        for group in shown
    )

    def tint(cells: Sequence[str]) -> Tint | None:
        days = int(cells[2].split()[0])
        return Tint.BAD if days < 3 else Tint.DOUBTFUL if days < SOON_DAYS else None

    yield from fitted(_inner(screen), ["domain", "until", "left", "file"], rows, "none", tint)
    if more := len(ordered) - len(shown):
        yield f"and {more} more, which expire later"


def _facts(status: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield what fits on a line each: streams, waiting stanzas, disk, ports."""
    kinds = Counter(f"{each['kind']} {each['direction']}" for each in status["streams"])
    counts = f": {', '.join(f'{count} {kind}' for kind, count in sorted(kinds.items()))}" if kinds else ""
    waiting = [each for each in status["peers"] if each["queued"]]
    oldest = max((each["oldest"] for each in waiting if each["oldest"]), default=None)
    age = f", the oldest for {duration(oldest)}" if oldest else ""
    facts = {
        "streams": f"{status['stream_count'] or 'none'}{counts}",
        "waiting": f"{counted(status['waiting'], 'stanza')} for {counted(len(waiting), 'domain')}{age}"
        if status["waiting"]
        else "no stanzas",
        "disk": _disk(status.get("disk")),
        "ports": ", ".join(status["doors"]) or "none",
    }
    yield ""
    for name, told in facts.items():
        yield from screen.folded(told, first=f"{name:<14}", rest=" " * 14)


def _disk(disk: Mapping[str, Any] | None) -> str:
    if disk is None:
        return "unknown"
    used = 100 * (1 - disk["free"] / disk["size"]) if disk["size"] else 100
    return f"{size(disk['free'])} free of {size(disk['size'])}, {used:.0f} % used ({disk['folder']})"


def _days_left(days: float) -> str:
    return f"in {days:.0f} d" if days >= 1 else "within a day" if days > 0 else "EXPIRED"


def _inner(screen: Screen) -> Screen:
    """Return the screen that remains inside a section."""
    return Screen(width=screen.width - 2, has_colour=screen.has_colour)


def streams(found: Iterable[Mapping[str, Any]], now: float) -> Iterator[str]:
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
