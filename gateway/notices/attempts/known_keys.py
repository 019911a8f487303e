"""Known keys: the keys that other domains have used, so that a different one is noticed.

A false certificate from a real authority passes every check of names and dates; that was the attack on jabber.ru in
2023. Only the key differs from the old one. So each domain's last keys are remembered, with who certified them and
since when. A domain may have several, one for each of its servers. A regular renewal may bring a new key: in the last
third of the old certificate's life, from the same authority, it is expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gateway.bounds.tables import Bounded, family
from gateway.notices.notices import DomainNotice, Level
from gateway.stream.facts import PeerCertificate

MOST_DOMAINS_WITH_KEYS = 10_000
MOST_KEYS = 4  # of one domain
_LONGEST = 500  # characters of a name
_DAY = 86400.0
_LAST_PART = 3  # the last part of a certificate's life, in which it is renewed


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownKey:
    """One key by its digest, its issuer, when it was first and last seen, and until when it is certified."""

    key: str
    issuer: str
    since: float
    seen: float
    begins: float
    ends: float

    @property
    def words(self) -> str:
        """The key in words."""
        return f"sha256:{self.key} from {self.issuer}, first seen {_day(self.since)}, valid until {_day(self.ends)}"


@dataclass(frozen=True, kw_only=True)
class KeyChanged(DomainNotice):
    """A domain has shown another key, or the same one certified by another issuer."""

    before: KnownKey
    after: KnownKey

    @property
    def is_expected(self) -> bool:
        """Return whether it looks like a regular renewal: by the same issuer, near the end of the old certificate."""
        before = self.before
        nearly = before.ends - (before.ends - before.begins) / _LAST_PART
        return before.issuer == self.after.issuer and self.after.since >= nearly

    @property
    def level(self) -> Level:
        return Level.INFO if self.is_expected else Level.WARN

    @property
    def sentence(self) -> str:
        is_new = self.before.key != self.after.key
        what = "a new key" if is_new else "the same key in a certificate of another issuer"
        usual = (
            "as after a regular renewal"
            if self.is_expected
            else f"which no regular renewal explains: ask its operator whether the {'key' if is_new else 'certificate'}"
            " is theirs"
        )
        return f"{self.domain} shows {what}, {usual}. It was {self.before.words}; it is {self.after.words}"


class KnownKeys:
    """The keys of all domains; at the bound, the family of domains with the most entries loses its oldest one."""

    def __init__(self, time_of_day: Callable[[], float], most: int = MOST_DOMAINS_WITH_KEYS) -> None:
        self.is_saved = True  # a file of them would be up to date
        self._time_of_day = time_of_day
        self._known: Bounded[str, tuple[KnownKey, ...]] = Bounded(most)

    def of(self, domain: str) -> tuple[KnownKey, ...]:
        """Return the keys of a domain, the one seen last first."""
        return self._known.get(domain) or ()

    def saw(self, domain: str, certificate: PeerCertificate) -> KeyChanged | None:
        """Remember the key of an established stream; return what has changed, if anything."""
        if not certificate.key or certificate.not_before is None or certificate.not_after is None:
            return None
        now, known = self._time_of_day(), self._known.touch(domain) or ()
        if known and _is_as_before(known[0], certificate, now):
            return None
        shown = KnownKey(
            key=certificate.key,
            issuer=certificate.issuer[:_LONGEST],
            since=now,
            seen=now,
            begins=certificate.not_before.timestamp(),
            ends=certificate.not_after.timestamp(),
        )
        same = next((each for each in known if (each.key, each.issuer) == (shown.key, shown.issuer)), None)
        if same is not None:
            shown = replace(shown, since=same.since)
        if same is None or now - same.seen > _DAY or same.ends != shown.ends:
            self.is_saved = False
        others = tuple(each for each in known if each is not same)
        self._known.put(domain, (shown, *others)[:MOST_KEYS], family(domain))
        return KeyChanged(domain=domain, before=known[0], after=shown) if known and same is None else None

    # -- to and from a file ------------------------------------------------------------------------------------------

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield everything as plain records, the oldest first."""
        for domain, keys in self._known.items():
            yield {"domain": domain, "keys": [asdict(key) for key in keys]}

    def restore(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Take over records; raise ValueError, KeyError or TypeError if they are invalid."""
        for record in records:
            keys = tuple(KnownKey(**key) for key in record["keys"][:MOST_KEYS])
            if not keys or not all(isinstance(each.key, str) and each.ends >= each.begins for each in keys):
                raise ValueError("a domain without keys")
            self._known.put(str(record["domain"]), keys, family(str(record["domain"])))


def _is_as_before(last: KnownKey, certificate: PeerCertificate, now: float) -> bool:
    """Return whether a certificate is the one that was last seen, less than a day ago."""
    return (
        last.key == certificate.key
        and last.issuer == certificate.issuer[:_LONGEST]
        and certificate.not_after is not None
        and last.ends == certificate.not_after.timestamp()
        and 0 <= now - last.seen <= _DAY
    )


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"
