"""ITCPStream: what Twisted gives a protocol for a TCP connection, or for another socket in its place."""

from __future__ import annotations

from twisted.internet.interfaces import IConsumer, IPushProducer, ITCPTransport
from zope.interface import Attribute


class ITCPStream(ITCPTransport, IPushProducer, IConsumer):
    """It is written to, paused, resumed and ended."""

    bufferSize = Attribute("The number of bytes that it reads at once.")
