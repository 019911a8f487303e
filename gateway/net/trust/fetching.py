"""Fetching: one small document from the web, from a URL that another party has named; or one small request to it.

So it is limited in time and size, follows no redirect, and connects only to addresses that are allowed for other
domains (see `net.dns.destinations`): the addresses of the host are looked up and checked like those of a server.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from gateway.net.trust.web_answers import AddressBook, Authorities, FetchFailed, WebAnswer
from gateway.timing.reactor import IReactor

_OK = 200


class Fetch(Protocol):
    """The type of `Fetcher.fetch`."""

    async def __call__(self, url: str, *, most: int, seconds: float) -> bytes: ...


class Fetcher:
    """Fetches documents."""

    def __init__(self, reactor: IReactor, resolver: AddressBook, authorities: Authorities = tuple) -> None:
        """`authorities` are those that prove web servers, for HTTPS."""
        self._reactor = reactor
        self._resolver = resolver
        self._authorities = authorities

    async def fetch(self, url: str, *, most: int, seconds: float) -> bytes:
        """Return the document at a URL; raise FetchFailed if it takes longer, is larger, or the status is not 200."""
        answer = await self.exchange("GET", url, most=most, seconds=seconds)
        if answer.status != _OK:
            raise FetchFailed(f"the server answered with {answer.status}")
        return answer.body

    async def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] = MappingProxyType({}),
        content: bytes | None = None,
        most: int,
        seconds: float,
        needs_body: bool = True,
    ) -> WebAnswer:
        """Return the answer to one request, whatever its status; raise FetchFailed if there is none in time and size.

        `most` bounds the body of the answer, and `seconds` the whole exchange. If `needs_body` is false, the status
        counts whatever becomes of the body, which is empty if it is too long, late or incomplete.
        """
        from gateway.net.trust.web_client import WebClient  # twisted.web: most gateways never fetch anything

        client = WebClient(self._reactor, self._resolver, self._authorities)
        return await client.exchange(method, url, headers, content, most, seconds, needs_body=needs_body)
