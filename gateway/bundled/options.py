"""Options that several of these services have, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import TypeGuard
from urllib.parse import urlsplit

from gateway.config.settings import Secret
from gateway.config.values import check_door
from gateway.filters.rules import Party, parse_party
from gateway.net.certificates.trust_store import TrustStore
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import ConfigError

LEAST_TOKEN = 16
"""The least number of characters of a token; `openssl rand -hex 20` makes 40."""
EVERYBODY = "*"


class Circle:
    """The addresses with which a service deals, as an operator lists them: bare addresses, domains, `*.domain`, `*`."""

    def __init__(self, written: Iterable[str]) -> None:
        """Raise ValueError if an entry cannot be read."""
        entries = list(written)
        self._is_open = EVERYBODY in entries
        parties = [_party(each) for each in entries if each != EVERYBODY]
        self._named = {each.bare or each.domain for each in parties}
        self._suffixes = tuple(each.suffix for each in parties if each.suffix)

    def __contains__(self, address: Address | None) -> bool:
        return address is not None and (
            self._is_open
            or address.bare in self._named
            or address.domain in self._named
            or address.domain.endswith(self._suffixes)
        )


def _party(text: str) -> Party:
    if not isinstance(text, str):
        raise ValueError(f"an address is needed, not {text!r}")
    party = parse_party(text)
    if party.list_name:
        raise ValueError(f"{text!r}: lists are for filters; write addresses, domains, '*.domain' or '*'")
    return party


def circle_problem(written: object) -> str:
    """Return why this is not a list of addresses and domains; empty if it is."""
    if not isinstance(written, list | tuple) or not written:
        return 'a list is needed, such as ["romeo@example.net", "example.com"]; ["*"] means everybody'
    try:
        Circle(written)
    except ValueError as error:
        return str(error)
    return ""


def addresses_problem(written: object) -> str:
    """Return why this is not a list of addresses; empty if it is."""
    if not isinstance(written, list | tuple) or not written:
        return 'a list of addresses is needed, such as ["romeo@example.net"]'
    try:
        for each in written:
            Address.parse(each if isinstance(each, str) else "")
    except ValueError as error:
        return f"{each!r}: {error}"
    return ""


def port_problems(listen: object, token: object, per_minute: object) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the options of an HTTP port."""
    try:
        check_door(listen)
    except ValueError as error:
        yield "listen", str(error)
    yield from token_problems("token", token)
    if not is_number(per_minute) or per_minute < 1:
        yield "per_minute", "a number from 1 on is needed"


def token_problems(name: str, token: object) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a token."""
    if isinstance(token, Secret) and len(token.text) < LEAST_TOKEN:
        yield name, f"it is too short: at least {LEAST_TOKEN} characters, as `openssl rand -hex 20` makes them"
    elif isinstance(token, Secret) and not (token.text.isascii() and token.text.isprintable()):
        yield name, "it must consist of printable ASCII characters"


def url_problems(name: str, url: object, *, private: bool) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the URL to which something is sent."""
    text = url if isinstance(url, str) else ""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        yield name, "it is not a URL: its host or port cannot be read"  # it is not shown, since it may hold a secret
        return
    if parts.scheme not in ("http", "https") or not host or not text.isascii():
        yield name, "it is not a URL like 'https://app.example.com/xmpp'"
    elif parts.username is not None:
        yield name, "a URL with a password is not supported: use a token"
    elif parts.scheme == "http" and not private and not is_literally_private(host):
        yield name, "http: sends everything in the clear; write https:, or set private = true if its network is yours"


def is_literally_private(host: str) -> bool:
    """Return whether a host, as it is written, is on this machine or in a private network."""
    if host == "localhost":
        return True
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False


def authorities_problems(authorities: Path | None) -> Iterator[tuple[str, str]]:
    """Yield why there are no authorities in a file."""
    try:
        TrustStore.load(authorities)
    except ConfigError as error:
        yield "authorities", error.problem


def is_number(value: object) -> TypeGuard[float]:
    """Return whether an option is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
