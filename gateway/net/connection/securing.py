"""Securing: how TLS starts on one connection, what it shows, and what its failure means."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from OpenSSL import SSL
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict
from gateway.net.connection.disconnect_reasons import why_lost
from gateway.net.tls.layer import TLSLayer
from gateway.net.tls.session import judge_peer, peer_chain, what_tls_shows
from gateway.net.tls.transport import ITCPStream
from gateway.net.trust.witness import Attestations, Witness
from gateway.stream.events import EvidenceFound, FindEvidence, Secured
from gateway.stream.facts import Facts, Means, Role
from gateway.stream.stream import Stream


class Securing:
    """TLS on one connection: not begun, under way, or in use."""

    __slots__ = ("_judge", "_layer", "_tls", "_witness", "from_first_byte")

    def __init__(
        self,
        judge: CertificateJudge,
        tls: Callable[[Facts], SSL.Connection],
        *,
        from_first_byte: bool,
        witness: Witness | None = None,
    ) -> None:
        """`tls` makes OpenSSL's connection for this side and these facts; `witness` is asked for further evidence."""
        self.from_first_byte = from_first_byte
        self._witness = witness
        self._judge = judge
        self._tls = tls
        self._layer: TLSLayer | None = None

    def start(self, transport: ITCPStream, facts: Facts, write: Callable[[bytes], object]) -> TLSLayer:
        """Return the layer above a transport; if we speak first, its handshake has begun."""
        self._layer = layer = TLSLayer(transport, self._tls(facts), write)
        return layer

    def shown(self, stream: Stream) -> Secured:
        """Return what the handshake has shown."""
        return what_tls_shows(
            self._layer,
            self._judge,
            accepted=stream.facts.role is Role.RECEIVING,
            binds_channels=stream.profile.binds_channels,
        )

    def evidence(self, facts: Facts, order: FindEvidence) -> Deferred[EvidenceFound]:
        """Return a Deferred of the verdict on the certificate, with what is known about it elsewhere."""
        certificate = facts.certificate
        if self._witness is None or not isinstance(certificate, CertificateVerdict):
            assert certificate is not None
            return succeed(EvidenceFound(certificate=certificate))
        chain = peer_chain(self._layer)
        found = self._witness(order.domain, order.means, chain)

        def judged(said: Attestations) -> EvidenceFound:
            anew = Means.EXTERNAL in order.means
            verdict = judge_peer(self._judge, self._layer, datetime.now(UTC)) if anew else certificate
            return EvidenceFound(certificate=verdict.with_attestations(*said))

        return found.addCallback(judged)

    def has_to_finish(self, facts: Facts) -> bool:
        """Return whether a handshake is under way, during which a stream can send nothing."""
        return self._layer is not None and facts.tls is None

    def true_reason(self, reason: Failure) -> Failure:
        """Return the real reason why the connection was lost, given TCP's."""
        return self._layer.why_lost(reason) if self._layer is not None else reason

    def in_words(self, reason: Failure) -> str:
        """Return that reason as a sentence."""
        return why_lost(reason, in_handshake=self._layer is not None and not self._layer.is_established)
