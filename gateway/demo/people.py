"""The demo's users: two accounts with passwords made for this machine."""

from __future__ import annotations

from typing import Any

from gateway.commands.account import keys_of
from gateway.config.settings import Settings
from gateway.storage.opening import open_store

DOMAIN = "demo.test"
NAMES = ("romeo", "juliet")


def settle(settings: Settings) -> None:
    """Create the accounts that are missing, with the passwords in the state folder."""
    state = settings.gateway.state
    store = open_store(settings.storage.url, state)
    try:
        for name in NAMES:
            account = f"{name}@{DOMAIN}"
            known: list[bool] = []
            store.has_account(account).addCallback(known.append)
            if known == [False]:
                failures: list[Any] = []
                password = (state / f"{name}.password").read_text().strip()
                store.add_account(account, keys_of(password)).addErrback(failures.append)
                for failure in failures:
                    failure.raiseException()
    finally:
        store.close()
