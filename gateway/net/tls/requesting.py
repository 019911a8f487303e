"""Requesting the certificate of a peer that connects to us, whatever it is: it is judged after the handshake.

OpenSSL verifies it anyway and asks a callback about each of its objections, of which there are several because it
knows no authorities. pyOpenSSL makes a certificate and a lookup of the connection for each such question. The callback
here answers at once, by the binding that pyOpenSSL is made of. That binding is not public: where it is missing or
different, pyOpenSSL asks.
"""

from __future__ import annotations

from OpenSSL import SSL


def request_by_method(context: SSL.Context) -> None:
    """Have accepted connections of this context request a certificate and accept any, or none."""
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)


try:
    from OpenSSL._util import ffi, lib

    _ACCEPT = ffi.callback("int (*)(int, X509_STORE_CTX *)", lambda _ok, _store: 1)
    _set_verify = lib.SSL_CTX_set_verify
except (ImportError, AttributeError):
    request_certificate = request_by_method
else:

    def request_certificate(context: SSL.Context) -> None:
        """Have accepted connections of this context request a certificate and accept any, or none."""
        _set_verify(context._context, SSL.VERIFY_PEER, _ACCEPT)
