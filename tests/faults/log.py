"""What the log of a gateway says about the ends of stanzas; most of it only with all levels."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta

from tests.interop.peers import Peer

_DROPPED = re.compile(r"(?:message|presence|iq) '(\S+)' from \S+ to \S+ was dropped")
_NAMED = re.compile(r"up to (?P<count>\d+) stanzas? may not have arrived at (?P<name>\S+):")
_SENT_AGAIN = re.compile(r"the connection to (?P<name>\S+) broke: (?P<count>\d+) unacknowledged stanzas? ")
_CAME_IN = re.compile(r"^(\S+) debug (\d+) stanzas? \(\d+ bytes\) came in from (\S+) to (\S+)$", re.MULTILINE)
_STARTED = re.compile(r"^\S+ info  answering for .*\n", re.MULTILINE)


def dropped(server: Peer) -> set[str]:
    """The ids of the stanzas that it did not deliver, and told nobody: errors, results and presence."""
    return set(_DROPPED.findall(server.log()))


def bounced(server: Peer, domain: str) -> int:
    """Return how many stanzas to that domain it did not deliver."""
    return len(re.findall(rf" from \S+ to \S*{re.escape(domain)} was (?:answered|dropped)", server.log()))


def conditions(server: Peer) -> Counter[str]:
    """With which conditions it has answered, and how often."""
    return Counter(re.findall(r" was answered with ([a-z-]+):", server.log()))


def named(server: Peer, domain: str) -> int:
    """Return how many stanzas it names as perhaps lost on the way to that domain, and those below it."""
    return _sum(_NAMED, domain, server.log())


def detached(server: Peer, domain: str) -> int:
    """Return how often a connection of that domain's component was lost."""
    return len(re.findall(rf"{re.escape(domain)}.* detached: ", server.log()))


def sent_again(server: Peer, domain: str) -> int:
    """Return how many stanzas it has sent again to that domain, and those below it."""
    return _sum(_SENT_AGAIN, domain, server.log())


def came_in(server: Peer, source: str, target: str) -> int:
    """Return how many stanzas it has accepted on streams of that pair."""
    found = _CAME_IN.findall(server.log())
    return sum(int(count) for _, count, *pair in found if pair == [source, target])


def in_hand(server: Peer, seconds: float) -> int:
    """Return how many stanzas had come in within this many seconds before each of its ends but the last."""
    return sum(_lately(life, seconds) for life in _STARTED.split(server.log())[:-1])


def _lately(life: str, seconds: float) -> int:
    batches = [(datetime.fromisoformat(when), int(count)) for when, count, *_ in _CAME_IN.findall(life)]
    since = batches[-1][0] - timedelta(seconds=seconds) if batches else None
    return sum(count for when, count in batches if since is not None and when >= since)


def _sum(pattern: re.Pattern[str], domain: str, text: str) -> int:
    found = (each.groupdict() for each in pattern.finditer(text))
    return sum(int(each["count"]) for each in found if f".{each['name']}".endswith(f".{domain}"))
