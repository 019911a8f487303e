"""Delivery rules: what becomes of a stanza to an account (RFC 6121 §8.5), as a table.

A row is a stanza's name and type; a column says what its 'to' finds. §8.5.4 prints the part about messages; the rest
stands in the text of §8.5.1 to §8.5.3. Where the RFC leaves a choice, these were made:

- "most available" (§8.5.2.1.1) is every resource whose priority is not negative: people have several devices.
- what may be ignored or answered is answered, so that no message vanishes. A headline is ignored wherever nobody takes
  it: to a bare address it must be while nobody is there (§8.5.2.2.1), and anything else would tell strangers whether
  there is such an account or resource.
- a request to an unknown account is answered as an account answers a stranger, which is not the same for every request.
- presence of type probe to an unknown account is answered as to one that shares nothing, so that nobody learns from it
  which accounts there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum, auto
from typing import Generic, TypeVar

from gateway.xmpp.errors import StanzaCondition, StanzaError


class Finds(IntEnum):
    """What the 'to' of a stanza finds."""

    NO_ACCOUNT = 0
    ACCOUNT = 1  # a bare address, and at least one resource with a priority that is not negative
    ACCOUNT_ALONE = 2  # a bare address, and no such resource
    RESOURCE = 3  # a full address whose resource is there, available or not
    OTHER_RESOURCES = 4  # a full address whose resource is not there, and ACCOUNT
    NO_RESOURCE = 5  # a full address whose resource is not there, and ACCOUNT_ALONE


class Action(Enum):
    """What becomes of the stanza."""

    DELIVER = auto()  # to the resource that it names
    SPREAD = auto()  # to every resource whose priority is not negative
    SHOW = auto()  # to every available resource
    STORE = auto()  # until one comes whose priority is not negative
    BOUNCE = auto()  # service-unavailable
    REFUSE = auto()  # bad-request: there is no such type
    DROP = auto()
    SERVE = auto()  # the server answers for the account
    SUBSCRIBE = auto()  # by the tables of subscriptions
    PROBE = auto()


_DELIVER, _SPREAD, _SHOW, _STORE, _BOUNCE, _REFUSE, _DROP, _SERVE, _SUBSCRIBE, _PROBE = Action

_RELATE = (_DROP, _SUBSCRIBE, _SUBSCRIBE, _SUBSCRIBE, _SUBSCRIBE, _SUBSCRIBE)
_INFORM = (_DROP, _SHOW, _SHOW, _DELIVER, _DROP, _DROP)
_ASK = (_SERVE, _SERVE, _SERVE, _DELIVER, _BOUNCE, _BOUNCE)
_ANSWER = (_DROP, _DROP, _DROP, _DELIVER, _DROP, _DROP)

RULES: dict[str, dict[str | None, tuple[Action, ...]]] = {
    #                NO_ACCOUNT ACCOUNT  ALONE    RESOURCE  OTHER    NO_RESOURCE
    "message": {
        "normal": (_BOUNCE, _SPREAD, _STORE, _DELIVER, _BOUNCE, _BOUNCE),
        "chat": (_BOUNCE, _SPREAD, _STORE, _DELIVER, _SPREAD, _STORE),
        "groupchat": (_BOUNCE, _BOUNCE, _BOUNCE, _DELIVER, _BOUNCE, _BOUNCE),
        "headline": (_DROP, _SPREAD, _DROP, _DELIVER, _DROP, _DROP),
        "error": _ANSWER,
    },
    "presence": {
        None: _INFORM,
        "unavailable": _INFORM,
        "subscribe": _RELATE,
        "subscribed": _RELATE,
        "unsubscribe": _RELATE,
        "unsubscribed": _RELATE,
        "probe": (_PROBE,) * 6,
        "error": _INFORM,
    },
    "iq": {
        "get": _ASK,
        "set": _ASK,
        "result": _ANSWER,
        "error": _ANSWER,
    },
}
# A message without a type, or with one that nobody knows, is a normal one (§5.2.2); other stanzas have no such type.
_UNKNOWN = {"message": RULES["message"]["normal"], "presence": (_REFUSE,) * 6, "iq": (_REFUSE,) * 6}

# Columns in which nobody is there to see what would be shown.
_NOBODY_ONLINE = (Finds.NO_ACCOUNT, Finds.ACCOUNT_ALONE, Finds.NO_RESOURCE)

BOUNCED = {
    Action.BOUNCE: StanzaError(StanzaCondition.SERVICE_UNAVAILABLE),
    Action.REFUSE: StanzaError(StanzaCondition.BAD_REQUEST, "there is no such type"),
}


T = TypeVar("T")


class Ends(Generic[T]):
    """The rules with something else in place of each action: what brings it about, mostly."""

    def __init__(self, of: Mapping[Action, T]) -> None:
        self._rules = {
            name: {type_: tuple(map(of.__getitem__, row)) for type_, row in rows.items()}
            for name, rows in RULES.items()
        }
        self._unknown = {name: tuple(map(of.__getitem__, row)) for name, row in _UNKNOWN.items()}

    def get(self, name: str, type_: str | None, finds: Finds) -> T:
        """The entry for a stanza of this name and type."""
        return self._rules[name].get(type_, self._unknown[name])[finds]


action = Ends({action: action for action in Action}).get
"""What becomes of a stanza of this name and type."""


def _needs_nobody(row: tuple[Action, ...]) -> bool:
    return all(row[finds.value] in (_DROP, _SHOW) for finds in _NOBODY_ONLINE)


# These stanzas are dropped while no client is bound, whether the account exists or not: no need to ask the store.
FOR_THE_PRESENT = frozenset(
    (name, type_) for name, rows in RULES.items() for type_, row in rows.items() if _needs_nobody(row)
)
