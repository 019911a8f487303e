"""The policies towards the outside and towards relayed servers, and their dialback."""

from __future__ import annotations

from gateway.features.dialback import Bounds, Dialback
from gateway.routing.policy import InsideDoor, OutsideDoor
from gateway.run.assembly.parts import Parts


def set_policy(parts: Parts) -> None:
    """The two sides make their keys with the same secret, so a key is good whichever side it is asked about."""
    rules = parts.rules
    parts.outside = OutsideDoor(rules.domains, rules.terms_outside)
    parts.inside = InsideDoor(rules.domains, rules.terms_outside)
    limits = parts.settings.limits
    bounds = Bounds(pairs=limits.pairs_per_stream, checks=limits.verifications_per_stream)
    parts.outside_dialback = Dialback(parts.keys, parts.outside.speaks_for, parts.outside.terms_of_pair, bounds)
    parts.inside_dialback = Dialback(parts.keys, parts.inside.speaks_for, parts.inside.terms_of_pair, bounds)
