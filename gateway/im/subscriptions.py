"""Subscription states: the nine states of RFC 6121 appendix A, and its tables, as tables.

A state is what one account knows about its relation to one contact. Presence of four types changes it, in two
directions: `SENT` is from the account's own clients (appendix A.2), `RECEIVED` from the contact (A.3). Each row says
whether the stanza is passed on (to the contact, or to the account's clients), which state follows, and what the server
answers by itself (§3.1.3, for example, to a request that was granted before). A stanza that is not passed on and
changes nothing ends here, without an error.

Pre-approval (§3.4) is one flag beside the state: a row of `SENT` may set it, every 'unsubscribed' that is sent clears
it, and while it is set `PREAPPROVED` replaces the rows of a received 'subscribe'.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

SUBSCRIBE = "subscribe"
SUBSCRIBED = "subscribed"
UNSUBSCRIBE = "unsubscribe"
UNSUBSCRIBED = "unsubscribed"


class SubscriptionState(Enum):
    """A state of appendix A; the value says who sees whose presence, and whose request is pending."""

    NONE = (False, False, False, False)
    NONE_OUT = (False, False, True, False)
    NONE_IN = (False, False, False, True)
    NONE_OUT_IN = (False, False, True, True)
    TO = (True, False, False, False)
    TO_IN = (True, False, False, True)
    FROM = (False, True, False, False)
    FROM_OUT = (False, True, True, False)
    BOTH = (True, True, False, False)

    @classmethod
    def of(cls, subscription: str, *, pending_out: bool, pending_in: bool) -> SubscriptionState:
        """Return the state that these parts make; a request that a subscription has made moot does not count."""
        has_to, has_from = subscription in ("to", "both"), subscription in ("from", "both")
        return cls((has_to, has_from, pending_out and not has_to, pending_in and not has_from))

    @property
    def has_to(self) -> bool:
        """Return whether the account receives the contact's presence."""
        return self.value[0]

    @property
    def has_from(self) -> bool:
        """Return whether the contact receives the account's presence."""
        return self.value[1]

    @property
    def pending_out(self) -> bool:
        """Return whether the account has asked and the contact has not answered."""
        return self.value[2]

    @property
    def pending_in(self) -> bool:
        """Return whether the contact has asked and the account has not answered."""
        return self.value[3]

    @property
    def subscription(self) -> str:
        """The 'subscription' attribute of a roster item in this state (§2.1.2.5)."""
        if self.has_to:
            return "both" if self.has_from else "to"
        return "from" if self.has_from else "none"


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """The effect of one stanza in one state; `then` is None if the state stays."""

    goes_on: bool
    then: SubscriptionState | None = None
    answer: str | None = None
    preapproves: bool = False


NONE, NONE_OUT, NONE_IN, NONE_OUT_IN, TO, TO_IN, FROM, FROM_OUT, BOTH = SubscriptionState

_ON = SubscriptionRow(True)
_END = SubscriptionRow(False)
_PREAPPROVE = SubscriptionRow(False, preapproves=True)


def _on(then: SubscriptionState, answer: str | None = None) -> SubscriptionRow:
    return SubscriptionRow(True, then, answer)


# A.2: presence from the account to the contact. Passed on means routed to the contact.
SENT: dict[str, dict[SubscriptionState, SubscriptionRow]] = {
    SUBSCRIBE: {  # A.2.1
        NONE: _on(NONE_OUT),
        NONE_OUT: _ON,
        NONE_IN: _on(NONE_OUT_IN),
        NONE_OUT_IN: _ON,
        TO: _ON,
        TO_IN: _ON,
        FROM: _on(FROM_OUT),
        FROM_OUT: _ON,
        BOTH: _ON,
    },
    UNSUBSCRIBE: {  # A.2.2
        NONE: _ON,
        NONE_OUT: _on(NONE),
        NONE_IN: _ON,
        NONE_OUT_IN: _on(NONE_IN),
        TO: _on(NONE),
        TO_IN: _on(NONE_IN),
        FROM: _ON,
        FROM_OUT: _on(FROM),
        BOTH: _on(FROM),
    },
    SUBSCRIBED: {  # A.2.3
        NONE: _PREAPPROVE,
        NONE_OUT: _PREAPPROVE,
        NONE_IN: _on(FROM),
        NONE_OUT_IN: _on(FROM_OUT),
        TO: _PREAPPROVE,
        TO_IN: _on(BOTH),
        FROM: _END,
        FROM_OUT: _END,
        BOTH: _END,
    },
    UNSUBSCRIBED: {  # A.2.4
        NONE: _END,
        NONE_OUT: _END,
        NONE_IN: _on(NONE),
        NONE_OUT_IN: _on(NONE_OUT),
        TO: _END,
        TO_IN: _on(TO),
        FROM: _on(NONE),
        FROM_OUT: _on(NONE_OUT),
        BOTH: _on(TO),
    },
}

# A.3: presence from the contact to the account. Passed on means delivered to the account's clients.
_ANSWER_SUBSCRIBED = SubscriptionRow(False, answer=SUBSCRIBED)
RECEIVED: dict[str, dict[SubscriptionState, SubscriptionRow]] = {
    SUBSCRIBE: {  # A.3.1
        NONE: _on(NONE_IN),
        NONE_OUT: _on(NONE_OUT_IN),
        NONE_IN: _END,
        NONE_OUT_IN: _END,
        TO: _on(TO_IN),
        TO_IN: _END,
        FROM: _ANSWER_SUBSCRIBED,
        FROM_OUT: _ANSWER_SUBSCRIBED,
        BOTH: _ANSWER_SUBSCRIBED,
    },
    UNSUBSCRIBE: {  # A.3.2
        NONE: _END,
        NONE_OUT: _END,
        NONE_IN: _on(NONE, UNSUBSCRIBED),
        NONE_OUT_IN: _on(NONE_OUT, UNSUBSCRIBED),
        TO: _END,
        TO_IN: _on(TO, UNSUBSCRIBED),
        FROM: _on(NONE, UNSUBSCRIBED),
        FROM_OUT: _on(NONE_OUT, UNSUBSCRIBED),
        BOTH: _on(TO, UNSUBSCRIBED),
    },
    SUBSCRIBED: {  # A.3.3
        NONE: _END,
        NONE_OUT: _on(TO),
        NONE_IN: _END,
        NONE_OUT_IN: _on(TO_IN),
        TO: _END,
        TO_IN: _END,
        FROM: _END,
        FROM_OUT: _on(BOTH),
        BOTH: _END,
    },
    UNSUBSCRIBED: {  # A.3.4
        NONE: _END,
        NONE_OUT: _on(NONE),
        NONE_IN: _END,
        NONE_OUT_IN: _on(NONE_IN),
        TO: _on(NONE),
        TO_IN: _on(NONE_IN),
        FROM: _END,
        FROM_OUT: _on(FROM),
        BOTH: _on(FROM),
    },
}

# A.3.1 note 1 and §3.4.2: a 'subscribe' that the account had approved before it came.
PREAPPROVED: dict[SubscriptionState, SubscriptionRow] = {
    NONE: SubscriptionRow(False, FROM, SUBSCRIBED),
    NONE_OUT: SubscriptionRow(False, FROM_OUT, SUBSCRIBED),
    TO: SubscriptionRow(False, BOTH, SUBSCRIBED),
}

TYPES = frozenset(SENT)


def sent(type_: str, state: SubscriptionState) -> SubscriptionRow:
    """Return the row for presence of this type that the account sends."""
    return SENT[type_][state]


def received(type_: str, state: SubscriptionState, *, approved: bool = False) -> SubscriptionRow:
    """Return the row for presence of this type that the account receives."""
    if approved and type_ == SUBSCRIBE and state in PREAPPROVED:
        return PREAPPROVED[state]
    return RECEIVED[type_][state]


def on_removal(state: SubscriptionState) -> tuple[str, ...]:
    """Return what the account sends when it removes the contact from its roster, in order (§2.5.2).

    Going beyond the RFC's letter, a pending request is also withdrawn or denied: otherwise a contact could still
    approve it, and would go on sending presence to nobody.
    """
    return tuple(type_ for type_ in (UNSUBSCRIBE, UNSUBSCRIBED) if SENT[type_][state].then is not None)
