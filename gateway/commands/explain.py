"""The answer to `xmpp-gateway explain DOMAIN`: why federation with a domain works or does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.commands.status import streams
from gateway.commands.telling import attempt, clock, duration, section
from gateway.notices.attempts.known_keys import KnownKey
from gateway.notices.attempts.proofs import Proofs, Proven, sentence
from gateway.notices.notices import counted
from gateway.operations.log import harmless


def is_well(explained: Mapping[str, Any]) -> bool:
    """Return whether federation works, the last attempt did not fail, and a domain of ours is served."""
    attempts, peer = explained["attempts"], explained["peer"]
    fails = peer is not None and peer["state"] == "failing"
    return not fails and not (attempts and attempts[0]["failed"]) and all(domain["up"] for domain in explained["ours"])


def render(explained: Mapping[str, Any]) -> Iterator[str]:
    """Yield the answer as lines for people: the present state, then the attempts, the latest first."""
    name = explained["domain"]
    yield from _state(name, explained)
    for number, key in enumerate(explained["keys"]):
        told = KnownKey(**key).words
        yield f"{'its key' if number == 0 else 'before it, or of another server'}: {harmless(told, 300)}"
    if explained["streams"]:
        newest = max(each["began"] + each["idle_seconds"] for each in explained["streams"])
        yield from section("streams", streams(explained["streams"], newest))
    for number, each in enumerate(explained["attempts"]):
        yield from section("the last attempt" if number == 0 else "before it", attempt(each))
    if not explained["attempts"]:
        yield "no attempt has been made since the service started"
        yield f"to make one now: xmpp-gateway probe {name}"


def _state(name: str, explained: Mapping[str, Any]) -> Iterator[str]:
    for domain in explained["ours"]:
        yield f"{name} is ours, served as {domain['serve']}: {domain['told']}"
    peer = explained["peer"]
    if peer is not None:
        streams = f"{counted(peer['streams_in'], 'stream')} in, {peer['streams_out'] or 'none'} out"
        oldest = f", the oldest for {duration(peer['oldest'])}" if peer["oldest"] else ""
        yield f"{name}: {streams}, {counted(peer['queued'], 'stanza')} waiting{oldest}"
        if peer["state"] == "failing":
            times = f", {counted(peer['failures'], 'time')}" if peer["failures"] > 1 else ""
            yield f"it fails since {clock(peer['since'])}{times} ({peer['verdict']}): {harmless(peer['told'], 400)}"
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
        yield f"our rules for it: {_rules(explained['rules'])}"
        if explained["filters"]:
            yield f"filters that can apply to it: {', '.join(explained['filters'])}"


def _rules(rules: Mapping[str, Any]) -> str:
    if not rules["allow"]:
        return "nothing is exchanged with it ([peers] allow = false)"
    at = f", at the configured address {rules['connect']}" if rules["connect"] else ""
    more = f", and nothing without {rules['require']}" if rules["require"] else ""
    more += f", with a key out of {len(rules['pin'])} ([peers] pin)" if rules["pin"] else ""
    tls = "over" if rules["require_tls"] else "also without"
    return f"proved by {' or '.join(rules['authenticate'])}, {tls} TLS{at}{more}"
