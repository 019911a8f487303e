"""Conditions: the tests of a rule, as small functions over one stanza, the cheap ones first.

Conditions on the two domains alone are decided once for each pair: a rule that can never hold has no tests at all.
What the start tag, the size, lists, rates and acquaintances say is a quick test, and so is whether some bytes occur at
all; only stanzas that pass it get the other tests, which read content, use marks, or have to ask the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from twisted.internet.defer import Deferred

from gateway.bounds.tables import MOST_CAUSES, Bounded, family
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.content import Content, may_hold, read_content
from gateway.filters.lists import Digests, NamedList, PeopleTest
from gateway.filters.rules import Crossing, FilterRule, Party, Per, Rate, When
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import NAMES, AddressedStanza, message_type


class Seen:
    """One stanza on its way through the rules, with what was found out about it."""

    __slots__ = ("_content", "marks", "stanza")

    def __init__(self, stanza: AddressedStanza) -> None:
        self.stanza = stanza
        self.marks: frozenset[str] = frozenset()
        self._content: Content | None = None

    @property
    def content(self) -> Content:
        """The content, read on first use."""
        if self._content is None:
            self._content = read_content(self.stanza.raw)
        return self._content


QuickTest = Callable[[AddressedStanza], bool]
Test = Callable[[Seen], "bool | Deferred[bool]"]
IsContact = Callable[[Address, Address], "Deferred[bool] | bool"]
"""Returns whether the second address is a contact of the first, which is one of our accounts."""
ContactTestOf = Callable[[Domain], IsContact | None]
"""Returns the test for contacts of the accounts in one of our domains; None if it has no accounts."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """The data that conditions use besides the stanza itself."""

    lists: Mapping[str, NamedList]
    digests: Digests
    acquaintances: Acquaintances
    contacts: ContactTestOf
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


def tests_of(
    rule: FilterRule, pair: DomainPair, direction: Crossing, around: Surroundings
) -> tuple[QuickTest | None, tuple[Test, ...]] | None:
    """Return the quick test and the other tests for stanzas between these domains; None if the rule cannot hold."""
    when = rule.when
    quick = [
        _of_start_tag(when),
        _of_parties(when.senders, pair.sender, _sender, around),
        _of_parties(when.targets, pair.target, _recipient, around),
    ]
    if when.listed:
        quick.append(_of_lists([around.lists[name] for name in when.listed], pair.sender, _sender, around))
    quick += _of_bytes(when)
    others = list(_of_content(when))
    if when.stranger is not None:
        is_stranger, asks = _of_strangers(when.stranger, pair, direction, around)
        quick += [is_stranger] if is_stranger is not None else []
        others += [asks] if asks is not None else []
    if when.rate is not None:  # last, because only stanzas that meet all other conditions are counted
        is_beyond = around.excesses[rule.name].test_for(pair)
        if others:
            others.append(lambda seen: is_beyond(seen.stanza))
        else:
            quick.append(is_beyond)
    if False in quick:
        return None
    needed = [test for test in quick if not isinstance(test, bool)]
    return (reduce(_both, needed) if needed else None), tuple(others)


def _both(first: QuickTest, second: QuickTest) -> QuickTest:
    return lambda stanza: first(stanza) and second(stanza)


def _of_start_tag(when: When) -> QuickTest | bool:
    kinds, types, most = when.kinds or NAMES, when.types, when.larger_than
    if types:
        least = -1 if most is None else most
        return lambda stanza: stanza.name in kinds and _type_of(stanza) in types and len(stanza.raw) > least
    if most is not None:
        return lambda stanza: len(stanza.raw) > most and stanza.name in kinds
    return (lambda stanza: stanza.name in kinds) if when.kinds else True


def _type_of(stanza: AddressedStanza) -> str:
    """Return the type as a rule names it; a message of an unknown type does not slip through a rule for normal ones."""
    if stanza.name == "message":
        return message_type(stanza)
    return stanza.type or ("available" if stanza.name == "presence" else "")


def _sender(test: PeopleTest) -> QuickTest:
    return lambda stanza: test(stanza.from_)


def _recipient(test: PeopleTest) -> QuickTest:
    return lambda stanza: test(stanza.to)


_Whose = Callable[[PeopleTest], QuickTest]


def _of_parties(parties: Sequence[Party], domain: Domain, whose: _Whose, around: Surroundings) -> QuickTest | bool:
    """Return the test for one end of a stanza; True if the rule names its whole domain, or nobody."""
    meant = [party for party in parties if party.covers(domain)]
    if not parties or any(party.is_whole_domain for party in meant):
        return True
    people = frozenset(party.bare for party in meant if party.bare)
    named = [around.lists[party.list_name] for party in meant if party.list_name]
    listed = _of_lists(named, domain, whose, around)
    if listed is True or not people:
        return listed
    is_named = whose(lambda address: address.bare in people)
    return is_named if listed is False else _either(is_named, listed)


def _of_lists(lists: Iterable[NamedList], domain: Domain, whose: _Whose, around: Surroundings) -> QuickTest | bool:
    """Return the test whether one of the lists covers one end of a stanza."""
    tests = [each.test_for(domain, around.digests) for each in lists]
    if True in tests:
        return True
    needed = [whose(test) for test in tests if not isinstance(test, bool)]
    return reduce(_either, needed) if needed else False


def _either(first: QuickTest, second: QuickTest) -> QuickTest:
    return lambda stanza: first(stanza) or second(stanza)


def _of_strangers(
    wanted: bool, pair: DomainPair, direction: Crossing, around: Surroundings
) -> tuple[QuickTest | None, Test | None]:
    """Return a test of acquaintances, and one that asks whether the two are contacts, if ours may be an account."""
    know, time_of_day = around.acquaintances.know, around.time_of_day
    is_contact = around.contacts(pair.sender if direction is Crossing.OUT else pair.target)

    def is_known(stanza: AddressedStanza) -> bool:
        if direction is Crossing.OUT:
            return know(stanza.from_.bare, stanza.to.bare, time_of_day())
        return know(stanza.to.bare, stanza.from_.bare, time_of_day())

    if is_contact is None:
        return (lambda stanza: is_known(stanza) is not wanted), None

    def is_as_wanted(seen: Seen) -> bool | Deferred[bool]:
        ours, theirs = seen.stanza.to, seen.stanza.from_
        if direction is Crossing.OUT:
            ours, theirs = theirs, ours
        known = is_known(seen.stanza) or is_contact(ours, theirs)
        if isinstance(known, Deferred):
            # If the store does not answer, everybody is a stranger.
            return known.addErrback(lambda _: False).addCallback(lambda known: known is not wanted)
        return known is not wanted

    # An acquaintance is not a stranger; the store need not be asked.
    return (lambda stanza: not is_known(stanza)) if wanted else None, is_as_wanted


def _of_bytes(when: When) -> Iterator[QuickTest]:
    """Yield tests of bytes without which the conditions about content cannot hold."""
    needles = {payload.namespace.encode() for payload in when.payloads}
    if needles and CLIENT.encode() not in needles:  # that one is inherited, and so not written out
        yield lambda stanza: any(may_hold(stanza.raw, needle) for needle in needles)
    if when.languages:
        yield lambda stanza: b"xml:lang" in stanza.raw
    if when.urls:
        yield lambda stanza: may_hold(stanza.raw, b":") or b"www." in stanza.raw.lower()


def _of_content(when: When) -> Iterator[Test]:
    if when.marked:
        yield lambda seen: any(mark in seen.marks for mark in when.marked)
    if when.payloads:
        yield _of_payloads(when)
    if when.languages:
        yield lambda seen: any(_speaks(language, when.languages) for language in seen.content.languages)
    if when.urls is not None:
        yield lambda seen: seen.content.has_urls is when.urls


def _of_payloads(when: When) -> Test:
    any_name = frozenset(payload.namespace for payload in when.payloads if not payload.name)
    exact = frozenset(when.payloads)
    return lambda seen: any(each in exact or each.namespace in any_name for each in seen.content.payloads)


def _speaks(language: str, wanted: Iterable[str]) -> bool:
    return any(language == each or language.startswith(f"{each}-") for each in wanted)


class Excess:
    """The stanzas beyond a rate: a bucket for each cause that holds one period's worth and fills up steadily."""

    def __init__(self, rate: Rate, seconds: Callable[[], float], most: int = MOST_CAUSES) -> None:
        self.rate = rate
        self._each = rate.seconds / rate.most
        self._seconds = seconds
        self._buckets: Bounded[str, list[float]] = Bounded(most)  # paid until then; moved to the young end then

    def test_for(self, pair: DomainPair) -> QuickTest:
        """Return the test for stanzas between these domains; it counts each stanza that it is asked about."""
        seconds, each, holds = self._seconds, self._each, self.rate.seconds
        buckets, owner = self._buckets, family(pair.sender)
        together = {Per.DOMAIN: pair.sender, Per.PAIR: f"{pair.sender} {pair.target}"}.get(self.rate.per)

        def is_beyond(stanza: AddressedStanza) -> bool:
            now = seconds()
            cause = together or stanza.from_.bare
            full = now - holds
            bucket = buckets.get(cause)
            if bucket is None or bucket[1] < full:  # new, or long unmoved: it moves to the young end
                bucket = [full if bucket is None else bucket[0], now]
                buckets.put(cause, bucket, owner)
            paid_until = bucket[0]
            after = (paid_until if paid_until > full else full) + each
            if after > now + 1e-9:
                return True
            bucket[0] = after
            return False

        return is_beyond
