"""Questions: our own requests to other domains, for lists and contacts."""

from __future__ import annotations

from collections.abc import Callable

from gateway.xmpp.stanzas import AddressedStanza

Ask = Callable[[AddressedStanza, Callable[[AddressedStanza], None]], None]
"""Sends one of our requests, and calls back with the result or the error, whichever way it comes."""
