"""Reads: where each read of a socket ends, also under TLS.

TLS hands on record by record, and a peer that writes stanza by stanza makes a record of each; but one read of the
socket brings many. Who knows where the read ends can take all of it at once, and write once what comes of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def tell_ends_of_reads(transport: Any, ended: Callable[[], None]) -> Callable[[], None]:
    """From now on call `ended` when TLS, which was just started on this transport, has handed on all of one read.

    The answer ends that, and lets go of everything.
    """
    tls = transport.protocol  # the TLS layer, to which the transport gives what it reads
    decrypt = tls.dataReceived

    def read(data: bytes) -> None:
        decrypt(data)
        ended()

    tls.dataReceived = read

    def end() -> None:
        tls.__dict__.pop("dataReceived", None)
        for borrowed in ("getHandle", "getPeerCertificate"):  # from the TLS layer, which refers to the transport
            transport.__dict__.pop(borrowed, None)

    return end
