"""Rules: the `[[filter]]` tables as values, and the words that may be in them.

A rule has conditions and a decision. All its conditions must hold; the first rule whose conditions hold decides.
`mark`, `report` and rules on trial (`dry_run`) take effect and leave the decision to later rules.

Every `parse_` function raises ValueError in words for the operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.errors import StanzaCondition


class Crossing(StrEnum):
    """The direction of a stanza, seen from our domains."""

    IN = "in"
    OUT = "out"
    INSIDE = "inside"  # between two of our domains; a rule must name it


DEFAULT_DIRECTIONS = frozenset({Crossing.IN, Crossing.OUT})


class Act(StrEnum):
    """What a rule does with a stanza."""

    PASS = "pass"
    DROP = "drop"
    BOUNCE = "bounce"
    HOLD = "hold"
    MARK = "mark"
    REPORT = "report"
    ASK = "ask"  # a filter written in Python decides


ENDS = frozenset({Act.PASS, Act.DROP, Act.BOUNCE, Act.HOLD})
"""The acts that decide: later rules are not asked."""


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An act with its argument: a condition for BOUNCE, a name for MARK, a factory for ASK."""

    act: Act
    condition: StanzaCondition = StanzaCondition.POLICY_VIOLATION
    mark: str = ""
    factory: str = ""

    def __str__(self) -> str:
        match self.act:
            case Act.BOUNCE:
                return f"bounce:{self.condition}"
            case Act.MARK:
                return f"mark:{self.mark}"
            case Act.ASK:
                return self.factory
        return str(self.act)


class Per(StrEnum):
    """Which stanzas a rate counts together."""

    SENDER = "sender"
    DOMAIN = "domain"
    PAIR = "pair"


class Rate(NamedTuple):
    """More than `most` stanzas in `seconds` from one sender, one domain, or between one pair of domains."""

    most: float
    seconds: float
    per: Per


class Party(NamedTuple):
    """One entry of `from` or `to`; exactly one member is set."""

    domain: Domain | None = None
    suffix: str = ""  # with its leading dot
    bare: str = ""
    list_name: str = ""

    def covers(self, domain: Domain) -> bool:
        """Return whether an address in that domain can match; a list may match any."""
        if self.domain is not None:
            return domain == self.domain
        if self.suffix:
            return domain.endswith(self.suffix)
        if self.bare:
            return self.bare.rpartition("@")[2] == domain
        return True

    @property
    def is_whole_domain(self) -> bool:
        """Return whether everybody in the domains it covers matches."""
        return self.domain is not None or bool(self.suffix)


class PayloadName(NamedTuple):
    """A child element of a stanza: its namespace, and its name unless any name matches."""

    namespace: str
    name: str


@dataclass(frozen=True, kw_only=True)
class When:
    """The conditions of a rule; those that are empty or None do not apply."""

    directions: frozenset[Crossing] = DEFAULT_DIRECTIONS
    senders: tuple[Party, ...] = ()
    targets: tuple[Party, ...] = ()
    kinds: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    payloads: tuple[PayloadName, ...] = ()
    larger_than: int | None = None
    urls: bool | None = None
    stranger: bool | None = None
    rate: Rate | None = None
    listed: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()

    @property
    def lists(self) -> frozenset[str]:
        """Return the names of all lists that are used."""
        parties = (*self.senders, *self.targets)
        return frozenset(self.listed) | {party.list_name for party in parties if party.list_name}


@dataclass(frozen=True, kw_only=True)
class FilterRule:
    """One `[[filter]]` table."""

    name: str
    when: When = When()
    decision: Decision
    dry_run: bool = False
    factory: Callable[..., Any] | None = None  # for ASK
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    on_timeout: Act = Act.PASS  # for ASK: PASS or BOUNCE


_BOUNCE, _MARK = "bounce", "mark"
_MARK_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RATE = re.compile(r"([0-9]{1,9})\s*(?:/|per)\s*(second|minute|hour)(?:\s+per\s+(sender|domain|pair))?")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
_PAYLOAD = re.compile(r"\{([^{}\s]+)\}([^{}\s]*)")


def parse_decision(text: str) -> Decision:
    """Read `then`."""
    word, colon, rest = text.partition(":")
    if word == _BOUNCE:
        try:
            return Decision(act=Act.BOUNCE, condition=StanzaCondition(rest) if colon else Decision.condition)
        except ValueError:
            raise ValueError(f"{rest!r} is not a condition of a stanza error (RFC 6120 §8.3.3)") from None
    if word == _MARK:
        if not _MARK_NAME.fullmatch(rest):
            raise ValueError(f"write 'mark:NAME', with letters, digits, - and _ in the name, not {text!r}")
        return Decision(act=Act.MARK, mark=rest)
    if text in ("pass", "drop", "hold", "report"):
        return Decision(act=Act(text))
    if "." in text and ":" not in text:
        return Decision(act=Act.ASK, factory=text)
    raise ValueError(
        f"{text!r} is not a decision: write 'pass', 'drop', 'bounce:CONDITION', 'hold', 'mark:NAME', 'report', or the"
        " dotted name of an IFilter"
    )


def parse_rate(text: str) -> Rate:
    """Read `rate`, as `30/minute`, `30 per minute per domain`."""
    found = _RATE.fullmatch(text.strip())
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is not a rate like '30/minute', '10 per second per domain' or '500/hour per pair'")
    return Rate(float(found[1]), _SECONDS[found[2]], Per(found[3] or Per.SENDER))


def parse_party(text: str) -> Party:
    """Read one entry of `from` or `to`."""
    if text.startswith("list:"):
        return Party(list_name=text.removeprefix("list:"))
    if text.startswith("*."):
        return Party(suffix=f".{prepare_domain(text.removeprefix('*.'))}")
    address = Address.parse(text)
    if address.resource:
        raise ValueError(f"{text!r} has a resource: write the bare address {address.bare}")
    return Party(bare=address.bare) if address.local else Party(domain=address.domain)


def parse_language(text: str) -> str:
    """Return a language tag in lower case; raise ValueError if it cannot be one (RFC 5646 §2.1)."""
    first, *rest = text.lower().split("-")
    is_language = first.isalpha() and (2 <= len(first) <= 8 or (first in ("i", "x") and rest))
    if not (text.isascii() and is_language and all(part.isalnum() and len(part) <= 8 for part in rest)):
        raise ValueError(f"{text!r} is not a language tag: write one like 'en' or 'pt-BR'")
    return text.lower()


def parse_payload(text: str) -> PayloadName:
    """Read one entry of `payload`: a namespace, or `{namespace}element`."""
    if found := _PAYLOAD.fullmatch(text):
        return PayloadName(found[1], found[2])
    if "{" in text or "}" in text or not text.strip():
        raise ValueError(f"{text!r} is neither a namespace nor '{{namespace}}element'")
    return PayloadName(text, "")
