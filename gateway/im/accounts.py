"""Accounts: the accounts of a domain that are in memory, and how they get there and leave.

An account is opened when a client is bound or a stanza for it has to wait for the store, and forgotten when neither is
the case. So memory is bounded by what is bound and what waits, and not by the number of addresses written to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from twisted.python.failure import Failure

from gateway.im.account import Account, LoadedRoster
from gateway.im.blocklist import BlockList
from gateway.im.limits import AccountLimits
from gateway.im.work import Backlog, Failed, WorkQueue
from gateway.storage.errors import NoSuchAccount
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address, Domain

# Stanzas of all accounts together that wait for the store before senders are asked to pause.
MOST_WAITING = 10_000
MOST_WAITING_BYTES = 1 << 26


class Accounts:
    """The accounts in memory, by their localparts."""

    def __init__(
        self, domain: Domain, store: IStore, limits: AccountLimits, resumed: Callable[[Account], None]
    ) -> None:
        self.backlog = Backlog(MOST_WAITING, MOST_WAITING_BYTES)
        self._domain = domain
        self._store = store
        self._limits = limits
        self._resumed = resumed
        self._accounts: dict[str, Account] = {}
        self.get = self._accounts.get

    def __len__(self) -> int:
        return len(self._accounts)

    def in_memory(self) -> Iterable[Account]:
        """Return all of them."""
        return tuple(self._accounts.values())

    def open(self, local: str) -> Account:
        """Bring an account into memory; its work waits until the store has answered."""
        address = Address.make(local, self._domain, "")
        work = WorkQueue(address, self.backlog, self._limits, lambda: self._resumed(account))
        account = Account(address, work)
        self._accounts[address.local] = account
        work.insist(partial(self._look_up, account), partial(self._not_looked_up, account))
        return account

    async def _look_up(self, account: Account) -> None:
        account.blocked = BlockList(await self._store.blocked(account.address.bare))
        account.exists = True

    def _not_looked_up(self, account: Account, failure: Failure) -> None:
        account.exists = False if failure.check(NoSuchAccount) else None

    def go_online(self, account: Account, failed: Failed) -> None:
        """Read the roster, because a client is bound and needs it."""
        if account.roster is None:
            account.work.insist(partial(self._read, account), failed)

    async def _read(self, account: Account) -> None:
        if not account.exists:
            await self._look_up(account)
        if account.roster is None:
            roster = await self._store.roster(account.address.bare)
            account.roster = LoadedRoster(roster.version, {item.contact: item for item in roster.items})

    def forget_if_idle(self, account: Account) -> None:
        """Drop an account that nobody needs any longer."""
        if account.work.is_idle and not account.resources:
            self._accounts.pop(account.address.local, None)
