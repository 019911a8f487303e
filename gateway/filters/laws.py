"""Laws: the limits of all rules, as a table.

A rule expresses what its operator wants; XMPP defines what others rely on. An iq request has exactly one answer (RFC
6120 §8.2.3), so it is bounced where other stanzas would be dropped. An error is never answered (§8.3.1). An error for a
message from a room would remove our user from it (XEP-0045 §9.3), so messages from rooms are dropped instead. The
answer to one of our requests passes: to prevent it, block the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, auto
from types import MappingProxyType

from gateway.filters.rules import Act, Crossing
from gateway.xmpp.stanzas import AddressedStanza


class Sort(Enum):
    """The kinds of stanzas that the laws distinguish."""

    REQUEST = auto()  # iq of type get or set
    ANSWER = auto()  # iq of type result or error
    ERROR = auto()  # any other error
    GROUPCHAT = auto()  # from outside
    MESSAGE = auto()
    SUBSCRIPTION = auto()
    PRESENCE = auto()


_PASS, _DROP, _BOUNCE, _HOLD = Act.PASS, Act.DROP, Act.BOUNCE, Act.HOLD

LAWS: Mapping[Sort, Mapping[Act, Act]] = MappingProxyType(
    {
        Sort.REQUEST: {_DROP: _BOUNCE, _HOLD: _BOUNCE},
        Sort.ANSWER: {_DROP: _PASS, _BOUNCE: _PASS, _HOLD: _PASS},
        Sort.ERROR: {_BOUNCE: _DROP, _HOLD: _DROP},
        Sort.GROUPCHAT: {_BOUNCE: _DROP, _HOLD: _DROP},
        Sort.MESSAGE: {},
        Sort.SUBSCRIPTION: {},
        Sort.PRESENCE: {_HOLD: _DROP},  # it would be stale by the time it is released
    }
)
"""The act in place of another; an act that is not listed stays."""

_SUBSCRIPTIONS = frozenset({"subscribe", "subscribed", "unsubscribe", "unsubscribed"})


def sort_of(stanza: AddressedStanza, direction: Crossing) -> Sort:
    """Return what the laws take a stanza for."""
    if stanza.name == "iq":
        return Sort.REQUEST if stanza.is_request else Sort.ANSWER
    if stanza.type == "error":
        return Sort.ERROR
    if stanza.name == "presence":
        return Sort.SUBSCRIPTION if stanza.type in _SUBSCRIPTIONS else Sort.PRESENCE
    return Sort.GROUPCHAT if stanza.type == "groupchat" and direction is Crossing.IN else Sort.MESSAGE


def lawful(act: Act, stanza: AddressedStanza, direction: Crossing) -> Act:
    """Return what is done in place of an act that a law forbids for this stanza."""
    return LAWS[sort_of(stanza, direction)].get(act, act)
