"""The audit record of filters: one notice for each decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from gateway.bounds.tables import family
from gateway.notices.notices import Notice
from gateway.xmpp.stanzas import AddressedStanza


@dataclass(frozen=True, kw_only=True)
class FilterDecided(Notice):
    """A rule applied to a stanza: `decision` is what the rule says, `act` what the laws made of it.

    The record never shows content, only its digest. It is made when the notice is read; nobody keeps the stanza.
    """

    rule: str
    decision: str
    act: str
    dry_run: bool
    stanza: AddressedStanza = field(repr=False)

    @property
    def cause(self) -> str:
        return family(self.stanza.from_.domain) if self.stanza.from_ is not None else ""

    @property
    def digest(self) -> str:
        """Return the SHA-256 of the stanza's bytes, in hexadecimal."""
        return sha256(self.stanza.raw).hexdigest()

    @property
    def sentence(self) -> str:
        stanza = self.stanza
        which = f"{stanza.name} of type {stanza.type}" if stanza.type else stanza.name
        id_ = f" id {stanza.id!r}" if stanza.id is not None else ""
        what = f"would have been: {self.act}" if self.dry_run else self.act
        law = f" (the rule says {self.decision})" if not self.decision.startswith(self.act) else ""
        return (
            f"filter {self.rule!r}: {what}{law}: {which}{id_} from {stanza.from_} to {stanza.to},"
            f" {len(stanza.raw)} bytes, sha256 {self.digest[:16]}"
        )
