"""The answer to `xmpp-gateway explain DOMAIN`: why federation with a domain works or does not."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.commands.screen import Screen, Tint
from gateway.commands.status import streams
from gateway.commands.telling import attempt, clock, duration, fitted, section
from gateway.config.reading import dotted
from gateway.notices.attempts.known_keys import KnownKey
from gateway.notices.attempts.proofs import Proofs, Proven, sentence
from gateway.notices.attempts.verdicts import ADVICE, Verdict
from gateway.notices.notices import counted
from gateway.operations.log import harmless


def is_well(explained: Mapping[str, Any]) -> bool:
    """Return whether federation works, the last attempt did not fail, and one of our domains is served."""
    attempts, peer = explained["attempts"], explained["peer"]
    fails = peer is not None and peer["state"] == "failing"
    return not fails and not (attempts and attempts[0]["failed"]) and all(domain["up"] for domain in explained["ours"])


def render(explained: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    """Yield the answer as lines for people: the present state, the last attempt in full, the rules in force.

    Earlier attempts have a line each, unless they went another way than the last one.
    """
    name = explained["domain"]
    yield from _state(name, explained, screen)
    for number, key in enumerate(explained["keys"]):
        told = KnownKey(**key).words
        yield f"{'its key' if number == 0 else 'an earlier or another key of it'}: {harmless(told, 300)}"
    if explained["streams"]:
        newest = max(each["began"] + each["idle_seconds"] for each in explained["streams"])
        yield from section("streams", streams(explained["streams"], newest))
    yield from _attempts(name, explained["attempts"], may_probe=not explained["ours"] and explained["rules"]["allow"])
    yield from _other_nodes(explained.get("nodes", {}), screen)
    if not explained["ours"]:
        inner = Screen(width=screen.width - 2, has_colour=screen.has_colour)
        yield from section("our rules for it, merged", _merged(explained["rules"], explained["rules_from"], inner))


def _other_nodes(nodes: Mapping[str, Mapping[str, Any]], screen: Screen) -> Iterator[str]:
    """Yield what the other nodes know of the domain: the state, and the last attempt."""
    for node, explained in nodes.items():
        if "problem" in explained:
            yield from section(f"node {node}", [f"no answer: {harmless(explained['problem'], 300)}"])
            continue
        lines = [*_state(explained["domain"], explained, screen)]
        if explained["attempts"]:
            last = explained["attempts"][0]
            lines.append(f"the last attempt: {clock(last['began'])}  {harmless(last['who'])}: {last['verdict']}")
        yield from section(f"node {node}", lines)


def _attempts(name: str, attempts: Sequence[Mapping[str, Any]], *, may_probe: bool) -> Iterator[str]:
    """Yield the attempts, the latest first; what has been said already is not said again."""
    if not attempts:
        yield "no attempt has been made since the service started"
        if may_probe:
            yield f"to make one now: xmpp-gateway probe {name}"
        return
    yield from section("the last attempt", attempt(attempts[0]))
    told = {(attempts[0]["verdict"], attempts[0]["what_happened"])}
    for each in attempts[1:]:
        said = each["verdict"], each["what_happened"]
        if said in told:
            yield from section(
                "before it", [f"{clock(each['began'])}  {harmless(each['who'])}", f"  {said[0]}, as above"]
            )
        else:
            yield from section("before it", attempt(each))
        told.add(said)


def _merged(rules: Mapping[str, Any], origins: Mapping[str, str], screen: Screen) -> Iterator[str]:
    """Yield each key with its value and the entry that sets it; those that differ from the defaults first."""
    rows = [[key, _written(value), _origin(origins.get(key, ""))] for key, value in rules.items()]
    rows.sort(key=lambda row: row[2] == "default")
    yield from fitted(screen, ["key", "value", "set by"], rows, "none")


def _written(value: Any) -> str:
    """Return a value as the configuration file writes it."""
    return "not set" if value is None or value == [] else json.dumps(value, ensure_ascii=False)


def _origin(entry: str) -> str:
    return entry if entry in ("", "default") or entry.startswith("domains.") else f"[peers.{dotted((entry,))}]"


def _why(peer: Mapping[str, Any], screen: Screen, times: str) -> Iterator[str]:
    """Yield how long a domain has been failing, why, on whose side the cause is, and what to do."""
    since = f"failing since {clock(peer['since'])}{times} ({peer['verdict']}): {harmless(peer['told'], 400)}"
    yield from screen.folded(since, rest="    ", tint=Tint.BAD)
    if peer["verdict"] in ADVICE:
        advice = ADVICE[Verdict(peer["verdict"])]
        yield from screen.folded(f"whose side: {advice.side}. {advice.mend}", rest="    ")


def _state(name: str, explained: Mapping[str, Any], screen: Screen) -> Iterator[str]:
    for domain in explained["ours"]:
        yield f"{name} is ours, served as {domain['serve']}: {domain['told']}"
    peer = explained["peer"]
    if peer is not None:
        streams = f"{counted(peer['streams_in'], 'stream')} in, {peer['streams_out'] or 'none'} out"
        oldest = f", the oldest for {duration(peer['oldest'])}" if peer["oldest"] else ""
        yield f"{name}: {streams}, {counted(peer['queued'], 'stanza')} waiting{oldest}"
        if peer["state"] == "failing":
            times = f", {counted(peer['failures'], 'time')}" if peer["failures"] > 1 else ""
            yield from _why(peer, screen, times)
        if peer["streams_in"] + peer["streams_out"]:
            proofs = Proofs(peer["they_to_us"], peer["we_to_them"], harmless(peer["certificate_fault"], 200))
            yield f"proofs: {sentence(proofs)}"
            if peer["they_to_us"] == Proven.ADDRESS:
                yield "we deliver to it, because dialback is allowed and trusts that address as well"
        if peer["retry_in"]:
            yield f"it failed; next attempt in {duration(peer['retry_in'])}, or at once with: xmpp-gateway retry {name}"
    if peer is None and not explained["ours"]:
        yield f"nothing is known about {name} yet"
    if not explained["ours"]:
        yield from screen.folded(f"our rules for it: {_rules(explained['rules'])}", rest="    ")
        if explained["filters"]:
            yield f"filters that can apply to it: {', '.join(explained['filters'])}"


def _rules(rules: Mapping[str, Any]) -> str:
    if not rules["allow"]:
        return "nothing is exchanged with it ([peers] allow = false)"
    at = f", at the configured address {rules['connect']}" if rules["connect"] else ""
    more = f", and nothing without {rules['require']}" if rules["require"] else ""
    more += f", with {counted(len(rules['pin']), 'pinned key')} ([peers] pin)" if rules["pin"] else ""
    tls = "over" if rules["require_tls"] else "also without"
    return f"proved by {' or '.join(rules['authenticate'])}, {tls} TLS{at}{more}"
