"""`xmpp-gateway account add|passwd|delete|list JID`: manage the accounts of our own domains, even while the service
runs.

A password is typed twice at a terminal, and otherwise read as one line from standard input. Only the keys that verify a
login are stored (RFC 5802). The running service disconnects clients that logged in with an old password or to a deleted
account.
"""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable
from getpass import getpass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.commands.configuration import add_config, config_of, read_config
from gateway.commands.service_user import become_service_user
from gateway.config import Mistakes
from gateway.config.settings import ImDomain, Settings
from gateway.config.state import state_problems
from gateway.notices.notices import counted
from gateway.operations.control.client import NotDone, NotRunning, ask
from gateway.sasl.keys import SALT_BYTES, ScramHash, ScramKeys
from gateway.storage.interfaces import IStore
from gateway.storage.opening import open_store
from gateway.xmpp.addresses import Address, Domain, prepare_domain
from gateway.xmpp.errors import ConfigError, GatewayError, MalformedAddress


class Unusable(GatewayError):
    """The argument cannot name an account here, or the password cannot be used."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("action", choices=sorted(ACTIONS))
    parser.add_argument("jid", metavar="JID", nargs="?", help="the account; for list, a domain or nothing")


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; print the reason and return 1 when it cannot be done."""
    become_service_user(config_of(arguments), makes_folder=True)
    settings = read_config(arguments)
    if unusable := [each for each in state_problems(settings) if each.key != "outbox.url"]:
        print(Mistakes(settings.file, unusable), file=sys.stderr)
        return 1
    try:
        ACTIONS[arguments.action](settings, arguments.jid)
    except GatewayError as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return 1
    return 0


def add(settings: Settings, jid: str | None) -> None:
    """Create an account with a password."""
    account = account_of(settings, jid)
    keys = keys_of(read_password())
    _done(_store(settings), lambda store: store.add_account(account.bare, keys))
    print(f"{account} has been created")


def passwd(settings: Settings, jid: str | None) -> None:
    """Change the password of an account."""
    account = account_of(settings, jid)
    keys = keys_of(read_password())
    _done(_store(settings), lambda store: store.set_keys(account.bare, keys))
    print(f"the password of {account} has been changed; {_sent_away(settings, account)}")


def delete(settings: Settings, jid: str | None) -> None:
    """Delete an account and everything that belongs to it."""
    account = account_of(settings, jid)
    _done(_store(settings), lambda store: store.delete_account(account.bare))
    print(f"{account} has been deleted; {_sent_away(settings, account)}")


def list_(settings: Settings, jid: str | None) -> None:
    """Print the accounts of all domains, or of one."""
    domain = _domain_of(settings, jid) if jid else None
    accounts = _done(_store(settings), lambda store: store.accounts(domain))
    for account in accounts:
        print(account)
    if not accounts:  # not on standard output, where scripts count lines
        where = f"at {domain}" if domain else "yet"
        print(f"there are no accounts {where}; xmpp-gateway account add JID creates one", file=sys.stderr)


ACTIONS: dict[str, Callable[[Settings, str | None], None]] = {
    "add": add,
    "passwd": passwd,
    "delete": delete,
    "list": list_,
}


def account_of(settings: Settings, jid: str | None) -> Address:
    """Return the account that an argument names: a bare JID in one of our domains that has accounts."""
    if not jid:
        raise Unusable("no account given: name a JID, such as juliet@example.com")
    try:
        account = Address.parse(jid)
    except MalformedAddress as error:
        raise Unusable(f"{jid!r} is not an address: {error.problem}") from error
    if not account.local or not account.is_bare:
        raise Unusable(f"{jid!r} is not an account: write one like juliet@example.com")
    _check_domain(settings, account.domain)
    return account


def _domain_of(settings: Settings, text: str) -> Domain:
    try:
        domain = prepare_domain(text)
    except MalformedAddress as error:
        raise Unusable(f"{text!r} is not a domain: {error.problem}") from error
    _check_domain(settings, domain)
    return domain


def _check_domain(settings: Settings, domain: Domain) -> None:
    served = [each.domain for each in settings.domains_of(ImDomain)]
    if domain not in served:
        others = f", or use {' or '.join(served)}" if served else ""
        raise Unusable(f'{domain} has no accounts here: set serve = "im" for it in {settings.file}{others}')


def read_password() -> str:
    """Return the password that was typed twice at a terminal, or the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if getpass("Repeat the password: ") != password:
        raise Unusable("the two passwords differ")
    return password


def keys_of(password: str) -> list[ScramKeys]:
    """Return the keys to store for a password, one for each way to log in with it."""
    try:
        return [ScramKeys.derive(hash, password, salt=secrets.token_bytes(SALT_BYTES)) for hash in ScramHash]
    except ValueError as error:
        raise Unusable(f"this password cannot be used: {error}") from error


def _store(settings: Settings) -> IStore:
    if settings.storage.in_memory:
        raise ConfigError("storage.url", "this command cannot reach accounts in memory: set storage.url to a file")
    return open_store(settings.storage.url, settings.gateway.state)


def _done(store: IStore, action: Callable[[IStore], Deferred[Any]]) -> Any:
    """Return the result of a store that works without a reactor, so that it is there when the call returns."""
    results: list[Any] = []
    try:
        action(store).addBoth(results.append)
    finally:
        store.close()
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result


def _sent_away(settings: Settings, account: Address) -> str:
    try:
        closed = ask(settings.gateway.state, "close_account", account=account.bare)["closed"]
    except NotRunning:
        return "the service is not running"
    except NotDone as problem:
        return f"its streams could not be closed: {problem}"
    return f"closed {counted(closed, 'stream')} of that account"
