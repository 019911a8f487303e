"""IReactor: all that the gateway asks of Twisted's reactor. Code that only measures time takes IReactorTime."""

from __future__ import annotations

from typing import cast

from twisted.internet.interfaces import (
    IListeningPort,
    IReactorCore,
    IReactorPluggableNameResolver,
    IReactorProcess,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUDP,
    IReactorUNIX,
)
from twisted.internet.protocol import DatagramProtocol


class IReactor(
    IReactorCore,
    IReactorTime,
    IReactorTCP,
    IReactorUDP,
    IReactorUNIX,
    IReactorProcess,
    IReactorThreads,
    IReactorPluggableNameResolver,
):
    """Every reactor of Twisted's own for Unix provides this."""

    def listenUDP(
        port: int, protocol: DatagramProtocol, interface: str = "", maxPacketSize: int = 8192
    ) -> IListeningPort:
        """As `IReactorUDP.listenUDP`, with the defaults that reactors have."""


def installed_reactor() -> IReactor:
    """Return the reactor of this process; the first call installs it."""
    from twisted.internet import reactor

    return cast(IReactor, reactor)
