"""Questions: requests of our own to other domains, for lists and contacts."""

from __future__ import annotations

from collections.abc import Callable

from gateway.xmpp.stanzas import AddressedStanza

Ask = Callable[[AddressedStanza, Callable[[AddressedStanza], None]], None]
"""Sends a request of ours, and calls back with the result or the error, whichever way it comes."""
