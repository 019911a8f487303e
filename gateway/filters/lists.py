"""Lists: named domains and people for rules, from files and from real-time block lists.

An entry is a domain, `*.suffix`, a bare JID, or the SHA-256 of a domain or a bare JID in hexadecimal, which is how
block lists name people without publishing them. A sender is listed if its bare JID is, or its domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from gateway.bounds.tables import Bounded, family
from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.errors import MalformedAddress

MOST_ENTRIES = 1_000_000
"""The most entries of a list; further ones are left out, and reported."""
MOST_DIGESTS = 8192
"""The bare JIDs and domains whose digests are cached, with a share for each domain."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Digests:
    """The SHA-256 of addresses, as block lists use them; the latest are cached."""

    def __init__(self, most: int = MOST_DIGESTS) -> None:
        self._known: Bounded[str, str] = Bounded(most)

    def of(self, text: str, domain: Domain) -> str:
        """Return the digest of a bare JID or domain; `domain` is the one whose share of the cache it uses."""
        digest = self._known.get(text)
        if digest is None:
            digest = sha256(text.encode()).hexdigest()
            self._known.put(text, digest, family(domain))
        return digest


PeopleTest = Callable[[Address], bool]
"""Returns whether an address is covered; made for the addresses of one domain."""


class Entries:
    """The entries of one list, prepared for look-ups."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self.domains: set[str] = set()
        self.people: set[str] = set()  # bare JIDs
        self.suffixes: set[str] = set()
        self.digests: set[str] = set()
        for entry in entries:
            self.add(entry)

    def __len__(self) -> int:
        return len(self.domains) + len(self.people) + len(self.suffixes) + len(self.digests)

    def __iter__(self) -> Iterator[str]:
        yield from self.domains
        yield from self.people
        yield from (f"*{suffix}" for suffix in self.suffixes)
        yield from self.digests

    def __contains__(self, entry: str) -> bool:
        return entry in self._home(entry)[0] if not entry.startswith("*.") else entry[1:] in self.suffixes

    def add(self, entry: str) -> None:
        """Add an entry, prepared as `read_entry` returns it."""
        where, what = self._home(entry)
        where.add(what)

    def remove(self, entry: str) -> None:
        """Remove an entry, if it is there."""
        where, what = self._home(entry)
        where.discard(what)

    def _home(self, entry: str) -> tuple[set[str], str]:
        if entry.startswith("*."):
            return self.suffixes, entry[1:]
        if "@" in entry:
            return self.people, entry
        return (self.digests if _DIGEST.fullmatch(entry) else self.domains), entry

    def has_domain(self, domain: Domain, digests: Digests) -> bool:
        """Return whether a whole domain is listed."""
        if domain in self.domains or (self.digests and digests.of(domain, domain) in self.digests):
            return True
        if self.suffixes:
            parent = domain
            while "." in parent:
                parent = Domain(parent.partition(".")[2])
                if f".{parent}" in self.suffixes:
                    return True
        return False

    def people_test(self, digests: Digests) -> PeopleTest | None:
        """Return the test for somebody who is listed individually; None if nobody is."""
        people, hashed, digest_of = self.people, self.digests, digests.of
        if not hashed:
            return (lambda address: address.bare in people) if people else None
        return lambda address: (
            bool(address.local) and (address.bare in people or digest_of(address.bare, address.domain) in hashed)
        )


@dataclass(frozen=True, kw_only=True)
class ListState:
    """The state of one list, for an operator."""

    name: str
    source: str
    entries: int
    state: str  # `ready`, or the problem in words
    is_well: bool
    since: float | None = None  # when it was last read or refreshed, in seconds since 1970


class NamedList:
    """One list, as rules use it; `never` are domains and bare JIDs that it does not cover, whatever its source says."""

    def __init__(self, name: str, source: str, never: Iterable[str] = (), service: Domain | None = None) -> None:
        """`service` is that of a real-time block list."""
        self.name = name
        self.source = source
        self.service = service
        self.entries = Entries()
        self.never = Entries(never)
        self.state, self.is_well = "not read yet", False
        self.since: float | None = None

    def test_for(self, domain: Domain, digests: Digests) -> PeopleTest | bool:
        """Return the test for the addresses in a domain; True if it covers them all, False if none.

        The test is valid until the entries change.
        """
        if self.never.has_domain(domain, digests):
            return False
        is_listed = self.entries.people_test(digests) or False
        if self.entries.has_domain(domain, digests):
            is_listed = True
        is_exempt = self.never.people_test(digests)
        if is_listed is False or is_exempt is None:
            return is_listed
        if is_listed is True:
            return lambda address: not is_exempt(address)
        return lambda address: is_listed(address) and not is_exempt(address)

    def has_domain(self, domain: Domain, digests: Digests) -> bool:
        """Return whether the list covers everybody in a domain."""
        never = self.never
        if never.has_domain(domain, digests) or never.digests or any(b.endswith(f"@{domain}") for b in never.people):
            return False  # of a digest, nobody can say whose it is
        return self.entries.has_domain(domain, digests)

    def look(self) -> ListState:
        """Return its state, for an operator."""
        return ListState(
            name=self.name,
            source=self.source,
            entries=len(self.entries),
            state=self.state,
            is_well=self.is_well,
            since=self.since,
        )


def read_entry(text: str) -> str:
    """Return an entry in the form for comparison; raise MalformedAddress if it is invalid."""
    lower = text.lower()
    if _DIGEST.fullmatch(lower):
        return lower
    if text.startswith("*."):
        return f"*.{prepare_domain(text.removeprefix('*.'))}"
    return Address.parse(text).bare


def list_file(state: Path, name: str) -> Path:
    """Return the file in the state folder that keeps the entries of a block list across a restart."""
    return state / "lists" / sha256(name.encode()).hexdigest()[:32]


def read_list_file(file: Path) -> tuple[Entries, list[str]]:
    """Read a file with one entry on each line, `#` before a comment; return the entries, and the invalid lines.

    Raises OSError and UnicodeDecodeError.
    """
    entries, wrong = Entries(), []
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            text = line.partition("#")[0].strip()
            if not text:
                continue
            if len(entries) >= MOST_ENTRIES:
                wrong.append(f"line {number}: more than {MOST_ENTRIES:,} entries; the rest is left out")
                break
            try:
                entries.add(read_entry(text))
            except MalformedAddress as error:
                wrong.append(f"line {number}: {error.problem}")
    return entries, wrong
