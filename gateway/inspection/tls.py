"""TLS as an examiner offers it: everything down to TLS 1.0, to see what the other side chooses, and no certificate.

These connections carry nothing but the beginning of a stream, so nothing is lost by a weak cipher.
"""

from __future__ import annotations

from OpenSSL import SSL

from gateway.net.certificates.certificate_names import SERVER
from gateway.net.dns.targets import literal_address
from gateway.net.tls.contexts import ConnectionData
from gateway.xmpp.addresses import Domain, to_ascii

# The good ones first, for servers that let the client choose.
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:ALL:!aNULL:!eNULL:@SECLEVEL=0"


def examining(
    domain: Domain,
    *,
    direct: bool,
    with_sni: bool = True,
    oldest: int = SSL.TLS1_VERSION,
    newest: int | None = None,
) -> SSL.Connection:
    """Return a connection that initiates TLS with these versions; `direct` if TLS begins with the first byte."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(oldest)
    if newest is not None:
        context.set_max_proto_version(newest)
    context.set_cipher_list(_CIPHERS)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    connection = SSL.Connection(context, None)
    connection.set_app_data(ConnectionData(context))
    if with_sni and literal_address(domain) is None:
        connection.set_tlsext_host_name(to_ascii(domain).encode("ascii"))
    if direct:
        connection.set_alpn_protos([SERVER.encode("ascii")])
    connection.set_connect_state()
    return connection
