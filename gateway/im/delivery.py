"""Delivery rules: the end of a stanza to an account (RFC 6121 §8.5), as a table.

A row is a stanza's name and type; a column is what its 'to' finds. §8.5.4 prints the part about messages; the rest is
in the text of §8.5.1 to §8.5.3. Where the RFC leaves a choice, these were made:

- "most available" (§8.5.2.1.1) is every resource whose priority is not negative, because people have several devices.
- A stanza that may be ignored or answered is answered, so that no message vanishes. A headline is ignored if nobody
  receives it: to a bare address it must be while nobody is there (§8.5.2.2.1), and anything else would reveal to
  strangers whether there is such an account or resource.
- A request to an unknown account is answered as an account answers a stranger, which differs between requests.
- A probe to an unknown account is answered as by one that shares nothing, so that it does not reveal which accounts
  exist.
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
    RESOURCE = 3  # a full address whose resource is bound, available or not
    OTHER_RESOURCES = 4  # a full address whose resource is not bound, and otherwise ACCOUNT
    NO_RESOURCE = 5  # a full address whose resource is not bound, and otherwise ACCOUNT_ALONE


class Action(Enum):
    """What happens to the stanza."""

    DELIVER = auto()  # to the resource that it names
    SPREAD = auto()  # to every resource whose priority is not negative
    SHOW = auto()  # to every available resource
    STORE = auto()  # until there is a resource with a priority that is not negative
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
# A message without a type, or with an unknown one, is a normal one (§5.2.2); other stanzas have no such type.
_UNKNOWN = {"message": RULES["message"]["normal"], "presence": (_REFUSE,) * 6, "iq": (_REFUSE,) * 6}

# Columns in which nobody is there to see what would be shown.
_NOBODY_ONLINE = (Finds.NO_ACCOUNT, Finds.ACCOUNT_ALONE, Finds.NO_RESOURCE)

BOUNCED = {
    Action.BOUNCE: StanzaError(StanzaCondition.SERVICE_UNAVAILABLE),
    Action.REFUSE: StanzaError(StanzaCondition.BAD_REQUEST, "there is no such type"),
}


T = TypeVar("T")


class Ends(Generic[T]):
    """The rules with something else in place of each action, usually the function that performs it."""

    def __init__(self, of: Mapping[Action, T]) -> None:
        self._rules = {
            name: {type_: tuple(map(of.__getitem__, row)) for type_, row in rows.items()}
            for name, rows in RULES.items()
        }
        self._unknown = {name: tuple(map(of.__getitem__, row)) for name, row in _UNKNOWN.items()}

    def get(self, name: str, type_: str | None, finds: Finds) -> T:
        """Return the entry for a stanza of this name and type."""
        return self._rules[name].get(type_, self._unknown[name])[finds]


action = Ends({action: action for action in Action}).get
"""The actions by name, type and column."""


def _needs_nobody(row: tuple[Action, ...]) -> bool:
    return all(row[finds.value] in (_DROP, _SHOW) for finds in _NOBODY_ONLINE)


# These stanzas are dropped while no client is bound, whether the account exists or not: no need to ask the store.
FOR_THE_PRESENT = frozenset(
    (name, type_) for name, rows in RULES.items() for type_, row in rows.items() if _needs_nobody(row)
)
