"""IFilter: a filter written in Python, named by `then` in a `[[filter]]` table."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from zope.interface import Interface

from gateway.filters.rules import Decision
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import AddressedStanza

Opinion = Decision | None
"""What a filter says about a stanza; None leaves it to the rules behind it."""
FilterFunction = Callable[[AddressedStanza], "Opinion | Deferred[Opinion]"]


class IFilter(Interface):
    """A filter. It sees each stanza that meets the other conditions of its rule, and changes none.

    Its decisions obey the same laws as those of every rule. While a Deferred is pending, later stanzas of that pair of
    domains wait in order behind it, and reading from their senders stops. After two seconds `on_timeout` decides. An
    exception is logged, and then `on_timeout` decides as well.
    """

    def plan(pair: DomainPair) -> FilterFunction | None:
        """Return what decides about the stanzas between these domains; None if this filter does not apply to them.

        The answer is remembered until the configuration or a list changes.
        """
