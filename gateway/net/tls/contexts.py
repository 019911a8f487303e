"""TLS contexts: what we offer, and which identity we present, on each side of a handshake (RFC 7590, BCP 195).

Both sides request the other's certificate and accept any, or none: it is judged after the handshake (see
`gateway.net.certificates.judge`), when it can be refused with a reason, or dialback can replace it. So OpenSSL gets no
authorities, and its own verification decides nothing.

- TLS 1.2 or newer, forward secrecy and AEAD unless the operator lists other ciphers; no compression, no renegotiation.
- No session resumption. A ticket contains the peer's own certificate but not the chain, which could then not be judged
  again; a store of sessions would keep chains, for everybody who ever shook hands, beyond our bounds.
- An accepted connection gets the identity that SNI requests, else the one of the domain that its stream named.
- ALPN (XEP-0368): a client that offers protocols must offer ours, or the handshake ends (RFC 7301 §3.2), because it is
  on the wrong port. A peer that offers none is accepted; real servers select none either.

Making a context costs more than a handshake, so each is made once for each identity and kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial

from OpenSSL import SSL

from gateway.net.certificates.certificate_names import CLIENT, SERVER, shown
from gateway.net.certificates.own_certificates import Identity, Keyring, show
from gateway.net.dns.system_names import is_address
from gateway.net.tls.requesting import request_certificate
from gateway.xmpp.addresses import Domain, to_ascii
from gateway.xmpp.errors import ConfigError, Misuse

BCP_195_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""The TLS 1.2 ciphers that RFC 9325 §4.2 recommends; TLS 1.3 has no others."""

VERSIONS = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}


@dataclass(frozen=True, kw_only=True)
class TLSRules:
    """The operator's settings: the oldest version, and an OpenSSL cipher list to replace that of BCP 195."""

    minimum: str = "1.2"
    ciphers: str | None = None


class ConnectionData:
    """The context of one OpenSSL connection, and the OCSP answer that a server has stapled."""

    __slots__ = ("context", "staple")

    def __init__(self, context: SSL.Context) -> None:
        self.context = context
        self.staple: bytes | None = None


class NoCommonProtocol(SSL.Error):
    """The client offers protocols by ALPN, and ours is not among them."""


@dataclass(frozen=True, kw_only=True)
class _ContextKind:
    """The common part of contexts of one kind; `service` only where we accept."""

    service: str = ""
    ask_certificate: bool = True


class TLSContexts:
    """Makes OpenSSL's connections: `accepting` for ports, `connecting` for streams that we open."""

    def __init__(self, keyring: Keyring, rules: TLSRules = TLSRules()) -> None:
        self._rules = rules
        self._contexts: dict[tuple[_ContextKind, Identity | None], SSL.Context] = {}
        self.keyring = keyring
        self._context(_CONNECTING, None)  # applies the rules now, so that a mistake in them is reported now

    @property
    def keyring(self) -> Keyring:
        """The identities to present; new ones apply to later connections."""
        return self._keyring

    @keyring.setter
    def keyring(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._contexts.clear()

    def renew(self, keyring: Keyring, rules: TLSRules) -> None:
        """Use other identities and rules for later connections."""
        self._rules = rules
        self.keyring = keyring

    def accepting(
        self, domain: Domain | None = None, *, service: str = SERVER, ask_certificate: bool = True
    ) -> SSL.Connection:
        """Return a connection that we accept, with the identity of the domain that its stream named, unless SNI names
        one.
        """
        named = self.keyring.find(to_ascii(domain)) if domain else None
        identity = named or self.keyring.default
        if identity is None:
            raise Misuse("TLS is accepted without any certificate to show")
        connection = _connection(self._context(_side(service, ask_certificate), identity))
        connection.set_accept_state()
        return connection

    def connecting(self, own: Domain, peer: Domain, *, direct: bool) -> SSL.Connection:
        """Return a connection from one of our domains to a peer's; `direct` if TLS begins with the first byte."""
        return self._connect(self.keyring.find(to_ascii(own)) or self.keyring.default, peer, direct, SERVER)

    def logging_in(self, identity: Identity | None, peer: Domain, *, direct: bool) -> SSL.Connection:
        """Return a connection on which we are a client, with our own certificate or none."""
        return self._connect(identity, peer, direct, CLIENT)

    def _connect(self, identity: Identity | None, peer: Domain, direct: bool, service: str) -> SSL.Connection:
        connection = _connection(self._context(_CONNECTING, identity))
        connection.request_ocsp()
        if not is_address(peer.strip("[]")):  # RFC 6066 §3: no literal addresses in SNI
            connection.set_tlsext_host_name(to_ascii(peer).encode("ascii"))
        if direct:
            connection.set_alpn_protos([service.encode("ascii")])
        connection.set_connect_state()
        return connection

    def _context(self, side: _ContextKind, identity: Identity | None) -> SSL.Context:
        context = self._contexts.get((side, identity))
        if context is None:
            context = self._contexts[side, identity] = _make_context(self._rules, side, identity)
            if side.service:
                context.set_tlsext_servername_callback(partial(self._switch, side))
        return context

    def _switch(self, side: _ContextKind, connection: SSL.Connection) -> None:
        """Present the identity that SNI requests, if we have it; else keep the one for the stream."""
        name = (connection.get_servername() or b"").decode("ascii", "replace")
        if identity := self.keyring.find(name):
            connection.set_context(self._context(side, identity))


def unknown_ciphers(ciphers: str) -> tuple[str, ...]:
    """Return those names in an OpenSSL cipher list that match no cipher of this OpenSSL."""
    names = (name for name in re.split("[:, ]+", ciphers) if name and name[0] not in "!-@")
    return tuple(name for name in names if not _selects_any(name.removeprefix("+")))


_CONNECTING = _ContextKind()


@lru_cache
def _side(service: str, ask_certificate: bool) -> _ContextKind:
    return _ContextKind(service=service, ask_certificate=ask_certificate)


_SETTINGS = SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE


def _make_context(rules: TLSRules, side: _ContextKind, identity: Identity | None) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD if side.service else SSL.TLS_CLIENT_METHOD)
    _apply(rules, context)
    context.set_options(_SETTINGS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # an idle stream holds no buffers of 2 x 16 KiB
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(b"xmpp-gateway")
    if not side.service:
        context.set_ocsp_client_callback(_keep_staple)
    if side.service:
        context.set_alpn_select_callback(partial(_select_protocol, side.service.encode("ascii")))
        # Only the accepting side must request a certificate; CertificateJudge verifies it later.
        if side.ask_certificate:
            request_certificate(context)
    if identity is not None:
        show(identity, context)
    return context


def _apply(rules: TLSRules, context: SSL.Context) -> None:
    if rules.minimum not in VERSIONS:
        raise ConfigError("minimum", f"{rules.minimum!r} is not one of {', '.join(VERSIONS)}")
    context.set_min_proto_version(VERSIONS[rules.minimum])
    ciphers = BCP_195_CIPHERS if rules.ciphers is None else rules.ciphers
    try:
        context.set_cipher_list(ciphers.encode("ascii"))
    except (SSL.Error, UnicodeError) as error:
        raise ConfigError("ciphers", f"OpenSSL finds no cipher of TLS 1.2 in {shown(ciphers)!r}") from error


def _keep_staple(connection: SSL.Connection, staple: bytes, _data: object) -> bool:
    """Remember what the server has stapled; it is judged with its certificate."""
    connection.get_app_data().staple = staple
    return True


def _select_protocol(ours: bytes, _connection: SSL.Connection, offered: list[bytes]) -> bytes:
    if ours not in offered:
        raise NoCommonProtocol([("ALPN", "", f"the client speaks none of {ours.decode()}")])
    return ours


def _connection(context: SSL.Context) -> SSL.Connection:
    connection = SSL.Connection(context, None)
    # SNI may replace the context in a callback of the first one, which must stay alive.
    connection.set_app_data(ConnectionData(context))
    return connection


def _selects_any(name: str) -> bool:
    try:
        SSL.Context(SSL.TLS_METHOD).set_cipher_list(name.encode("ascii"))
    except (SSL.Error, UnicodeError):
        return False
    return True
