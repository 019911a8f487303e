"""Doors: where others connect to us, one factory for each kind of door.

A door asks the porter who may come in. Behind it, each connection gets a stream of the door's profile and a session.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.idle_parsers import Slumber
from gateway.net.connection.protocol import StreamProtocol, Timing
from gateway.net.listen.connection_limits import Porter
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.profiles import Profile
from gateway.stream.sessions import Session
from gateway.stream.stream import Acceptor, Stream, StreamTools


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind a door: the kind of stream, who judges its headers, and a session for each connection."""

    profile: Profile
    accept: Acceptor
    session: Callable[[], Session]
    terms: Callable[[], Terms]  # until the other side has said who it is
    tls: Callable[[Facts], Any]


class Door(ServerFactory):
    """Makes a stream for each connection to one kind of door."""

    noisy = False

    def __init__(
        self,
        behind: Behind,
        porter: Porter,
        *,
        direct_tls: bool,
        clock: Any,
        judge: CertificateJudge,
        tools: StreamTools,
        budget: Budget,
        timing: Timing,
        slumber: Slumber,
    ) -> None:
        self._behind = behind
        self._porter = porter
        self._direct_tls = direct_tls
        self._clock = clock
        self._judge = judge
        self._tools = tools
        self._budget = budget
        self._timing = timing
        self._slumber = slumber

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = str(getattr(addr, "host", addr))
        if not self._porter.admits(host):
            return None
        behind = self._behind
        facts = Facts(role=Role.RECEIVING, terms=behind.terms())
        return StreamProtocol(
            Stream(behind.profile, facts, behind.accept, self._tools, self._budget),
            behind.session(),
            clock=self._clock,
            judge=self._judge,
            tls=behind.tls,
            timing=self._timing,
            direct_tls=self._direct_tls,
            watcher=self._porter,
            slumber=self._slumber,
        )
