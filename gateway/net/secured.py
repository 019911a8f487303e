"""Secured: what a finished TLS handshake means for the stream, as the event that it waits for."""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.net.certificates import CertificateJudge
from gateway.net.tls_session import channel_bindings, describe_tls
from gateway.stream.events import Secured
from gateway.stream.facts import TLSFacts


def what_tls_shows(transport: object, judge: CertificateJudge, *, accepted: bool, binds_channels: bool) -> Secured:
    """The TLS of this transport in words, and the verdict on the peer's certificate as of now.

    `accepted`: the other side has connected to us; `binds_channels`: whether SASL may ask what binds the channel.
    """
    session = describe_tls(transport)
    tls = TLSFacts(
        version=session.version,
        cipher=session.cipher,
        alpn=session.alpn or None,
        channel_bindings=channel_bindings(transport, accepted=accepted) if binds_channels else {},
    )
    return Secured(tls=tls, certificate=judge.judge_peer(transport, datetime.now(UTC)))
