"""The policies for outside servers and for relayed servers, and their dialback."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dialback.keys import KeyMaker
from gateway.features.dialback import Dialback, DialbackBounds
from gateway.routing.policy import OutsidePolicy, RelayPolicy, ShutOut
from gateway.run.assembly.shared import Shared


@dataclass(frozen=True, kw_only=True)
class Policies:
    """The policy and the dialback of each side."""

    outside: OutsidePolicy
    inside: RelayPolicy
    outside_dialback: Dialback
    inside_dialback: Dialback


def make_policies(shared: Shared, keys: KeyMaker, shut_out: ShutOut) -> Policies:
    """Make the policy and dialback of both sides; they share one secret, so a key is valid on either."""
    in_force = shared.in_force
    outside = OutsidePolicy(in_force.domains, in_force.terms_outside, shut_out)
    inside = RelayPolicy(in_force.domains, in_force.terms_outside)
    limits = shared.settings.limits
    bounds = DialbackBounds(pairs=limits.pairs_per_stream, checks=limits.verifications_per_stream)
    return Policies(
        outside=outside,
        inside=inside,
        outside_dialback=Dialback(keys, outside.speaks_for, outside.terms_of_pair, bounds),
        inside_dialback=Dialback(keys, inside.speaks_for, inside.terms_of_pair, bounds),
    )
