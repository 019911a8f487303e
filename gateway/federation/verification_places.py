"""Places for verifications: how many dialback keys are verified at a time, and at whose request."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.bounds.tables import Rates, family

_SMALL_SHARE = 20


@dataclass(frozen=True, kw_only=True)
class Asker:
    """The cause of a verification: an address, and whether a domain was already proved on that stream."""

    address: str = ""
    is_proved: bool = True


class VerificationPlaces:
    """The limit on simultaneous verifications, with a share for each address and each domain.

    Parties that have proved nothing get no more than a tenth for one address, and for one domain with all its
    subdomains; all of them together leave a quarter to those who have proved something. Domains are cheap,
    so these have shares, too: as many places as are still free, so one address, or one domain, alone gets half. How
    many keys one address may have us verify in a minute is limited as its connections are; 0 means unlimited.
    """

    def __init__(self, most: int, per_minute: float = 600) -> None:
        self._most = most
        self._per_minute = per_minute
        self._share = max(most // 10, min(most, _SMALL_SHARE))
        self._taken: dict[str, int] = {}  # by whose they are; places that are free have no entry
        self._rates = Rates()

    def take(self, asker: Asker, domain: str, now: float) -> str:
        """Take a place for a key of that domain; return an empty string, or why there is none."""
        taken = self._taken
        free = self._most - taken.get("all", 0)
        if free <= 0:
            return f"{self._most} keys are being verified ([limits] verifications)"
        if asker.is_proved:
            for whose in self._owners(asker, domain):
                if taken.get(whose, 0) >= free:
                    return f"{taken[whose]} keys are being verified {whose} ([limits] verifications)"
        else:
            if taken.get("unproved", 0) >= self._most - self._most // 4:
                return "too many keys are being verified for streams that have proved nothing ([limits] verifications)"
            for whose in self._owners(asker, domain):
                if taken.get(whose, 0) >= self._share:
                    return f"{self._share} keys are being verified {whose} ([limits] verifications)"
            if not self._rates.allow(asker.address, self._per_minute, now):
                return (
                    f"more than {self._per_minute:g} keys came from {asker.address} in a minute"
                    " ([limits] connections_per_minute)"
                )
        self._count(asker, domain, 1)
        return ""

    def give_back(self, asker: Asker, domain: str) -> None:
        """Release the place, because the verification is over."""
        self._count(asker, domain, -1)

    def _count(self, asker: Asker, domain: str, by: int) -> None:
        for whose in ("all", *(() if asker.is_proved else ("unproved",)), *self._owners(asker, domain)):
            taken = self._taken.pop(whose, 0) + by
            if taken:
                self._taken[whose] = taken

    def _owners(self, asker: Asker, domain: str) -> tuple[str, ...]:
        """Return whose shares a place is taken from; what is asked without an address is our own."""
        if not asker.address:
            return ()
        proved = " for streams that have proved a domain" if asker.is_proved else ""
        return f"at the request of {asker.address}{proved}", f"of {family(domain)}{proved}"
