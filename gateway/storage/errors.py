"""Errors of a store: refusals, and failures."""

from __future__ import annotations

from gateway.xmpp.errors import GatewayError


class StoreError(GatewayError):
    """Something was not stored or read; the previous state is unchanged."""


class AccountExists(StoreError):
    """An account cannot be added twice."""

    def __init__(self, account: str) -> None:
        super().__init__(f"{account} already exists")
        self.account = account


class NoSuchAccount(StoreError):
    """The account to read from or store for does not exist."""

    def __init__(self, account: str) -> None:
        super().__init__(f"there is no account {account}")
        self.account = account


class StoreFull(StoreError):
    """An account or a service has reached a limit; `what` says of what."""

    def __init__(self, what: str, limit: int, owner: str = "an account") -> None:
        super().__init__(f"{owner} may have at most {limit} {what}")
        self.what = what
        self.limit = limit


class StoreUnavailable(StoreError):
    """The store cannot work now: it is closed, overloaded, locked by another process, or its disk is full."""


class StaleEpoch(StoreUnavailable):
    """A write was refused, because another gateway has become the owner of what it would change."""
