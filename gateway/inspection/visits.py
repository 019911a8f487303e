"""Visits: one connection to one address, from TCP to the last features that a stranger is offered.

A visit sends a stream header, takes STARTTLS, looks at the certificate and the features, asks two harmless questions
about dialback, and leaves. It ends in time, no matter what the other side does, and reads no element of more than
10,000 bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography import x509
from OpenSSL import SSL
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.protocol import Protocol

from gateway.features.starttls import StartTLS
from gateway.findings.facts import (
    PeerAnswer,
    Reached,
    SeenEndpoint,
    SeenStream,
    SeenTLS,
    STARTTLSOffer,
)
from gateway.inspection.certificate_facts import MOST_TOLD, certificate_seen
from gateway.inspection.looking import STRANGER, FeaturesSeen, Looking, QuestionAnswered
from gateway.inspection.tls import examining
from gateway.net.certificates.certificate_names import shown
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.trust_store import UNREADABLE
from gateway.net.connection.life import Timing
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.dial.dialling import Build, dial
from gateway.net.dns.targets import Target
from gateway.net.dns.tlsa import TLSASet
from gateway.net.tls.session import peer_chain
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.budget import Budget
from gateway.stream.events import CloseTransport, Secured, StreamErrorReceived, StreamOpened
from gateway.stream.facts import Role, ServerFacts, Terms
from gateway.stream.header import StreamHeader
from gateway.stream.profiles import server_profile
from gateway.stream.sessions import Ending
from gateway.stream.stream import Output, Stream
from gateway.stream.tools import StreamTools
from gateway.timing.reactor import IReactor
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import DiallingFailed, StreamError
from gateway.xmpp.namespaces import DIALBACK_FEATURE, SASL, TLS

CONNECT_SECONDS = 4.0
NEGOTIATE_SECONDS = 10.0
ANSWER_SECONDS = 4.0  # for a question about dialback
MANY_SECONDS = 10.0  # for all answers about many pairs
MOST_FEATURES = 40
_TERMS = Terms(require_tls=False, bidirectional=False, managed=False)
_NO_ROUTE = ("Network is unreachable", "Cannot assign requested address", "Address family not supported")

TLSConnection = Callable[[], SSL.Connection]


@dataclass(frozen=True, kw_only=True)
class VisitedPlace:
    """Where a visit goes: one address of one server, and the TLSA records that are about it."""

    host: str
    port: int
    tls: str
    address: str
    tlsa: TLSASet | None = None


class ServerVisitor:
    """Makes visits to one domain; one at a time."""

    def __init__(self, reactor: IReactor, domain: Domain, judge: CertificateJudge, tools: StreamTools) -> None:
        self._reactor = reactor
        self._domain = domain
        self._judge = judge
        self._tools = tools

    async def visit(
        self,
        place: VisitedPlace,
        *,
        asks: bool = True,
        tls: TLSConnection | None = None,
        words: bytes = b"",
        answers: int = 0,
    ) -> SeenEndpoint:
        """Return what was seen at a place.

        `asks`: whether to ask about dialback. `tls` replaces our usual offer of TLS. `words` are written once TLS is
        up, before the questions; `answers` is how many answers to them are waited for.
        """
        seen = SeenEndpoint(
            host=place.host, port=place.port, tls=place.tls, address=place.address, reached=Reached.CONNECTED
        )
        direct = place.tls == "direct"
        sessions: list[_VisitSession] = []

        def new_session(connection: Any) -> _VisitSession:
            sessions.append(_VisitSession(connection, self._reactor, asks=asks, words=words, answers=answers))
            return sessions[-1]

        looking = Looking(self._domain, asks=asks)
        facts = ServerFacts(role=Role.INITIATING, local=STRANGER, remote=self._domain, terms=_TERMS)

        def build(target: Target) -> StreamProtocol:
            return StreamProtocol(
                Stream(server_profile(StartTLS(), looking), facts, _accept, self._tools, Budget()),
                new_session,
                clock=self._reactor,
                judge=self._judge,
                tls=lambda _: tls() if tls is not None else examining(self._domain, direct=direct),
                timing=Timing(negotiate=NEGOTIATE_SECONDS, close=1, stall=5, silence=10),
                direct_tls=direct,
            )

        try:
            dialled = await dial(self._reactor, [_target(place)], build, attempt_seconds=CONNECT_SECONDS)
        except DiallingFailed as failure:
            return replace(seen, reached=_reached(failure), told=shown(failure.sentence, MOST_TOLD))
        (session,) = sessions
        try:
            await session.seen_enough
        finally:
            dialled.protocol.close()
            await _gone(dialled.protocol, self._reactor)
        return self._noted(seen, place, session)

    async def knock(self, place: VisitedPlace) -> SeenEndpoint:
        """Return whether a place accepts a connection, which is closed at once."""
        seen = SeenEndpoint(
            host=place.host, port=place.port, tls=place.tls, address=place.address, reached=Reached.CONNECTED
        )
        build: Build[Protocol] = lambda target: Protocol()  # noqa: E731
        try:
            dialled = await dial(self._reactor, [_target(place)], build, attempt_seconds=CONNECT_SECONDS)
        except DiallingFailed as failure:
            return replace(seen, reached=_reached(failure), told=shown(failure.sentence, MOST_TOLD))
        transport: Any = dialled.protocol.transport
        transport.loseConnection()
        return seen

    def _noted(self, seen: SeenEndpoint, place: VisitedPlace, session: _VisitSession) -> SeenEndpoint:
        stream = session.seen
        if session.secured is None:
            began = place.tls == "direct" or stream.starttls in (STARTTLSOffer.OPTIONAL, STARTTLSOffer.REQUIRED)
            problem = session.reason or "the handshake did not end in time"
            return replace(seen, stream=stream, problem=shown(problem, MOST_TOLD) if began else "")
        tls, verdict = session.secured.tls, session.secured.certificate
        return replace(
            seen,
            stream=stream,
            secured=SeenTLS(version=tls.version, cipher=tls.cipher, alpn=tls.alpn or ""),
            certificate=certificate_seen(verdict, session.chain, self._domain, place.tlsa, trust=self._judge.trust),
        )


def _target(place: VisitedPlace) -> Target:
    return Target(
        host=place.host,
        port=place.port,
        tls="direct" if place.tls == "direct" else "starttls",
        addresses=(place.address,),
        source="srv",
    )


def _reached(failure: DiallingFailed) -> Reached:
    if failure.silent:
        return Reached.SILENT
    return Reached.NO_ROUTE if any(each in failure.sentence for each in _NO_ROUTE) else Reached.REFUSED


def _accept(header: StreamHeader, facts: ServerFacts) -> ServerFacts:
    """Accept every header: it is only looked at."""
    return facts


async def _gone(protocol: StreamProtocol, reactor: IReactor) -> None:
    """Wait until the connection is gone; cut it if that takes too long."""
    gone: Deferred[None] = protocol.when_lost().addTimeout(2, reactor)
    try:
        await gone
    except TimeoutError:
        protocol.abort("it did not close its stream in time")


class _VisitSession:
    """Collects what one stream shows, until enough is seen or the connection is gone."""

    def __init__(
        self, connection: StreamProtocol, reactor: IReactor, *, asks: bool, words: bytes, answers: int
    ) -> None:
        self.log = StreamLog(lambda notice: None, reactor.seconds, 0, Direction.OUT)
        self.seen = SeenStream()
        self.secured: Secured | None = None
        self.chain: tuple[x509.Certificate, ...] = ()
        self.reason = ""  # why the connection ended, unless we had seen enough
        self.seen_enough: Deferred[None] = Deferred()
        self._connection = connection
        self._asks = asks
        self._words = words
        self._answers = answers
        self._patience = Timer(reactor)

    # -- as a Session ------------------------------------------------------------------------------------------------

    def happened(self, output: Output) -> None:
        match output:
            case StreamOpened():
                self._opened(output.header)
            case Secured():
                self._note_features(self._connection.stream.offered)
                self.secured = output
                self.chain = _chain_of(self._connection.transport)
            case FeaturesSeen():
                self._features(output.offered)
            case QuestionAnswered():
                self._answered(output)
            case StreamErrorReceived():
                text = shown(output.text, MOST_TOLD)
                self.seen = replace(self.seen, condition=str(output.condition), text=text)
            case CloseTransport(error=StreamError() as error):
                self.reason = self.reason or f"we ended the stream: {error.reason or error.text}"

    def stanzas_received(self, stanzas: object) -> None:
        """Ignore them: none is expected."""

    def outstanding(self) -> Deferred[None] | None:
        """Return None: nothing is ever asked of us that we would answer."""
        return None

    def room(self) -> Deferred[None] | None:
        """As `Session.room`."""
        return self._connection.room()

    def lost(self, ending: Ending) -> None:
        self._patience.stop()
        if not self.seen_enough.called:
            if not self.secured:
                self._note_features(self._connection.stream.offered)
            self.reason = self.reason or ending.reason
            self.seen = replace(self.seen, ended=shown(self.reason, MOST_TOLD))
            self._enough()

    # -- what comes --------------------------------------------------------------------------------------------------

    def _opened(self, header: StreamHeader) -> None:
        self.seen = replace(
            self.seen,
            header=True,
            from_=shown(str(header.from_ or ""), MOST_TOLD),
            has_id=bool(header.id),
            version=f"{header.version[0]}.{header.version[1]}",
        )

    def _note_features(self, offered: Element | None) -> None:
        """Note the features that were offered in clear."""
        if offered is None or self.secured is not None or self.seen.starttls is not None:
            return
        starttls = offered.first(TLS, "starttls")
        offer = STARTTLSOffer.ABSENT
        if starttls is not None:
            is_required = starttls.first(TLS, "required") is not None
            offer = STARTTLSOffer.REQUIRED if is_required else STARTTLSOffer.OPTIONAL
        if self.seen.version == "1.0":
            self.seen = replace(
                self.seen, features=_names(offered), starttls=offer, mechanisms_in_clear=_mechanisms(offered)
            )

    def _features(self, offered: Element) -> None:
        """Note the last features; wait for the answers to what we have asked."""
        if self.secured is None:
            self._note_features(offered)
            self._enough()
            return
        dialback = offered.first(DIALBACK_FEATURE, "dialback")
        self.seen = replace(
            self.seen,
            features_in_tls=_names(offered),
            mechanisms=_mechanisms(offered),
            dialback=dialback is not None,
            dialback_errors=dialback is not None and dialback.first(DIALBACK_FEATURE, "errors") is not None,
        )
        if self._words:
            self._connection.transport.write(self._words)
        if self._answers:
            self._patience.start(MANY_SECONDS, self._enough)
            return
        if not self._asks:
            self._enough()
            return
        self.seen = replace(self.seen, verify=PeerAnswer.SILENCE)
        self._patience.start(ANSWER_SECONDS, self._enough)

    def _answered(self, said: QuestionAnswered) -> None:
        if self._answers:
            self.seen = replace(self.seen, answers=self.seen.answers + 1)
            if self.seen.answers == self._answers:
                self._enough()
        elif said.question == "verify" and self.seen.verify is PeerAnswer.SILENCE:
            self.seen = replace(self.seen, verify=said.answer, claim=PeerAnswer.SILENCE)
            self._patience.start(ANSWER_SECONDS, self._enough)
        elif said.question == "result" and self.seen.claim is PeerAnswer.SILENCE:
            self.seen = replace(self.seen, claim=said.answer)
            self._enough()

    def _enough(self) -> None:
        self._patience.stop()
        if not self.seen_enough.called:
            self.seen_enough.callback(None)


def _names(features: Element) -> tuple[str, ...]:
    return tuple(sorted(shown(each.name) for each in features.elements()))[:MOST_FEATURES]


def _mechanisms(features: Element) -> tuple[str, ...]:
    mechanisms = features.first(SASL, "mechanisms")
    return tuple(shown(each.text) for each in mechanisms.elements(SASL))[:MOST_FEATURES] if mechanisms else ()


def _chain_of(transport: object) -> tuple[x509.Certificate, ...]:
    try:
        return peer_chain(transport)
    except UNREADABLE:
        return ()
