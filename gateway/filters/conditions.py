"""Conditions: the tests of a rule, as small functions over one stanza, the cheap ones first.

Conditions on the two domains alone are decided once for each pair (`applies`); all others become tests. A test returns
True or False, or a Deferred if it has to ask the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from gateway.bounds.tables import MOST_CAUSES, Bounded, family
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.content import Content, may_hold, read_content
from gateway.filters.lists import Digests, NamedList
from gateway.filters.rules import Crossing, FilterRule, Party, Per, Rate, When
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import NAMES, AddressedStanza


class Seen:
    """One stanza on its way through the rules, with what was found out about it."""

    __slots__ = ("_content", "marks", "stanza")

    def __init__(self, stanza: AddressedStanza) -> None:
        self.stanza = stanza
        self.marks: frozenset[str] = frozenset()
        self._content: Content | None = None

    @property
    def sender(self) -> Address:
        """The address it comes from."""
        return self.stanza.from_

    @property
    def recipient(self) -> Address:
        """The address it is for."""
        return self.stanza.to

    @property
    def content(self) -> Content:
        """The content, read on first use."""
        if self._content is None:
            self._content = read_content(self.stanza.raw)
        return self._content


QuickTest = Callable[[AddressedStanza], bool]
Test = Callable[[Seen], "bool | Deferred[bool]"]
IsContact = Callable[[Address, Address], "Deferred[bool] | bool"]
"""Returns whether the second address is a contact of the first, if that is an account of ours."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The data that conditions use besides the stanza itself."""

    lists: Mapping[str, NamedList]
    digests: Digests
    acquaintances: Acquaintances
    contacts: IsContact
    excesses: Mapping[str, Excess]  # by the name of the rule; they outlive the plans
    time_of_day: Callable[[], float]


def applies(rule: FilterRule, pair: DomainPair, direction: Crossing) -> bool:
    """Return whether a rule can apply to a stanza between these domains."""
    when = rule.when
    return direction in when.directions and covers(when.senders, pair.sender) and covers(when.targets, pair.target)


def covers(parties: tuple[Party, ...], domain: Domain) -> bool:
    """Return whether the rule names somebody in the domain, or nobody in particular."""
    return not parties or any(party.covers(domain) for party in parties)


def holds_for_all(rule: FilterRule, sender: Domain, around: Surroundings) -> bool:
    """Return whether a rule without targets applies to everything from a domain, by domains and lists alone."""
    when = rule.when
    if when.kinds or when.types or when.payloads or when.languages or when.marked or when.rate is not None:
        return False
    if not (when.larger_than is when.urls is when.stranger is None):
        return False
    parties, lists = when.senders, around.lists
    return (not parties or any(_is_meant_whole(party, sender, around) for party in parties)) and (
        not when.listed or any(lists[name].has_domain(sender, around.digests) for name in when.listed)
    )


def _is_meant_whole(party: Party, domain: Domain, around: Surroundings) -> bool:
    if party.list_name:
        return around.lists[party.list_name].has_domain(domain, around.digests)
    return party.is_whole_domain and party.covers(domain)


def quick_test_of(rule: FilterRule) -> QuickTest | None:
    """Return one test of the stanza's start tag and size; None if the rule has no such condition."""
    when = rule.when
    kinds, types, most = when.kinds or NAMES, when.types, when.larger_than
    if types:
        least = -1 if most is None else most
        return lambda stanza: stanza.name in kinds and _type_of(stanza) in types and len(stanza.raw) > least
    if most is not None:
        return lambda stanza: len(stanza.raw) > most and stanza.name in kinds
    return (lambda stanza: stanza.name in kinds) if when.kinds else None


def tests_of(rule: FilterRule, pair: DomainPair, direction: Crossing, around: Surroundings) -> tuple[Test, ...]:
    """Return the further tests for a stanza between these domains, the cheap ones first."""
    return tuple(_tests(rule, pair, direction, around))


def _tests(rule: FilterRule, pair: DomainPair, direction: Crossing, around: Surroundings) -> Iterator[Test]:
    when = rule.when
    if when.marked:
        yield lambda seen: any(mark in seen.marks for mark in when.marked)
    yield from _of_parties(when.senders, pair.sender, lambda seen: seen.sender, around)
    yield from _of_parties(when.targets, pair.target, lambda seen: seen.recipient, around)
    if when.listed:
        lists = [around.lists[name] for name in when.listed]
        yield lambda seen: any(each.has(seen.sender, around.digests) for each in lists)
    if when.payloads:
        yield from _of_payloads(when)
    if when.languages:
        yield lambda seen: any(_speaks(language, when.languages) for language in seen.content.languages)
    if when.urls is not None:
        yield lambda seen: _has_urls(seen) is when.urls
    if when.stranger is not None:
        yield _stranger(when.stranger, direction, around)
    if when.rate is not None:  # last, because only stanzas that meet all other conditions are counted
        yield around.excesses[rule.name]


def _type_of(stanza: AddressedStanza) -> str:
    return stanza.type or ("normal" if stanza.name == "message" else "available" if stanza.name == "presence" else "")


def _of_parties(
    parties: tuple[Party, ...], domain: Domain, whose: Callable[[Seen], Address], around: Surroundings
) -> Iterator[Test]:
    """Yield a test unless the rule names the whole domain."""
    meant = [party for party in parties if party.covers(domain)]
    if not parties or any(party.is_whole_domain for party in meant):
        return
    people = frozenset(party.bare for party in meant if party.bare)
    lists = [around.lists[party.list_name] for party in meant if party.list_name]

    def is_meant(seen: Seen) -> bool:
        address = whose(seen)
        return address.bare in people or any(each.has(address, around.digests) for each in lists)

    yield is_meant


def _of_payloads(when: When) -> Iterator[Test]:
    needles = [payload.namespace.encode() for payload in when.payloads]
    any_name = frozenset(payload.namespace for payload in when.payloads if not payload.name)
    exact = frozenset(when.payloads)
    is_inherited = any(payload.namespace == CLIENT for payload in when.payloads)  # and so not written out

    def has_payload(seen: Seen) -> bool:
        raw = seen.stanza.raw
        if not is_inherited and not any(may_hold(raw, needle) for needle in needles):
            return False
        return any(each in exact or each.namespace in any_name for each in seen.content.payloads)

    yield has_payload


def _has_urls(seen: Seen) -> bool:
    raw = seen.stanza.raw
    return (may_hold(raw, b":") or b"www." in raw.lower()) and seen.content.has_urls


def _speaks(language: str, wanted: Iterable[str]) -> bool:
    return any(language == each or language.startswith(f"{each}-") for each in wanted)


def _stranger(wanted: bool, direction: Crossing, around: Surroundings) -> Test:
    def is_known(seen: Seen) -> bool | Deferred[bool]:
        ours, theirs = (seen.sender, seen.recipient) if direction is Crossing.OUT else (seen.recipient, seen.sender)
        if around.acquaintances.know(ours.bare, theirs.bare, around.time_of_day()):
            return True
        return around.contacts(ours, theirs)

    def test(seen: Seen) -> bool | Deferred[bool]:
        known = is_known(seen)
        if isinstance(known, Deferred):
            # If the store does not answer, everybody is a stranger.
            return known.addErrback(lambda _: False).addCallback(lambda known: known is not wanted)
        return known is not wanted

    return test


class Excess:
    """True for a stanza beyond a rate: a bucket for each cause that holds one period's worth and fills up steadily."""

    def __init__(self, rate: Rate, seconds: Callable[[], float], most: int = MOST_CAUSES) -> None:
        self.rate = rate
        self._each = rate.seconds / rate.most
        self._seconds = seconds
        self._paid_until: Bounded[str, list[float]] = Bounded(most)

    def __call__(self, seen: Seen) -> bool:
        now = self._seconds()
        match self.rate.per:
            case Per.SENDER:
                cause = seen.sender.bare
            case Per.DOMAIN:
                cause = seen.sender.domain
            case Per.PAIR:
                cause = f"{seen.sender.domain} {seen.recipient.domain}"
        bucket = self._paid_until.get(cause)
        if bucket is None or bucket[0] < now - self.rate.seconds:  # new, or full again: it moves to the young end
            bucket = [now - self.rate.seconds]
            self._paid_until.put(cause, bucket, family(seen.sender.domain))
        after = bucket[0] + self._each
        is_within = after <= now + 1e-9
        if is_within:
            bucket[0] = after
        return not is_within
