"""OpenSSL's end of a connection: bytes that came are decrypted, what is written is encrypted, all in a few calls.

A peer that writes stanza by stanza makes a record of each. For each record, pyOpenSSL's `recv` allocates memory, checks
three places for exceptions of callbacks, and asks OpenSSL for the outcome: together more than decrypting costs. Its
other methods check as much, and a handshake calls some twenty of them. So this uses the binding that pyOpenSSL is made
of, and leaves to pyOpenSSL only failures, for which it has the error messages. That binding is not public: where it is
missing or different, pyOpenSSL's own methods are used.
"""

from __future__ import annotations

from OpenSSL import SSL

RECORD_BYTES = 1 << 14
"""The most that a record holds (RFC 8446 §5.1)."""
_OUTPUT_BYTES = RECORD_BYTES + 4096  # a record, and more than TLS itself usually sends at a time


class ByMethods:
    """OpenSSL by the methods of pyOpenSSL's connections."""

    def shake_hands(self, connection: SSL.Connection) -> bool:
        """Go on with the handshake; return whether it is complete. Raise SSL.Error if it has failed."""
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            return False
        return True

    def take(self, connection: SSL.Connection, data: bytes) -> None:
        """Give OpenSSL bytes that have come."""
        connection.bio_write(data)

    def read(self, connection: SSL.Connection, pieces: list[bytes]) -> None:
        """Append the content of each record until OpenSSL needs more bytes; raise SSL.Error if there is another end."""
        receive = connection.recv
        try:
            while True:
                pieces.append(receive(RECORD_BYTES))
        except SSL.WantReadError:
            return

    def encrypt(self, connection: SSL.Connection, data: bytes) -> None:
        """Make records of some content; raise SSL.Error if that fails."""
        left = memoryview(data)
        while left:
            left = left[connection.send(left) :]  # a record at a time

    def output(self, connection: SSL.Connection) -> bytes:
        """Return what OpenSSL wants to be sent, nothing if it has nothing to say."""
        pieces: list[bytes] = []
        try:
            while not pieces or len(pieces[-1]) == _OUTPUT_BYTES:
                pieces.append(connection.bio_read(_OUTPUT_BYTES))
        except SSL.WantReadError:
            pass
        return b"".join(pieces)


openssl = ByMethods()

try:
    from OpenSSL._util import ffi, lib

    # shared by all: what is in it is copied before the next use
    _MEMORY = ffi.new("char[]", _OUTPUT_BYTES)
    _CONTENT = ffi.buffer(_MEMORY)
    _bytes_of = ffi.from_buffer
    _shake_hands, _read, _write = lib.SSL_do_handshake, lib.SSL_read, lib.SSL_write
    _take_in, _take_out = lib.BIO_write, lib.BIO_read
    _error_of, _WANTS_MORE = lib.SSL_get_error, lib.SSL_ERROR_WANT_READ
    _raise_error = SSL.Connection._raise_ssl_error
except (ImportError, AttributeError):
    pass
else:

    class ByBinding(ByMethods):
        """The same, by the binding."""

        def shake_hands(self, connection: SSL.Connection) -> bool:
            ssl = connection._ssl
            result = _shake_hands(ssl)
            if result != 1 and _error_of(ssl, result) != _WANTS_MORE:
                _raise_error(connection, ssl, result)
            return bool(result == 1)

        def take(self, connection: SSL.Connection, data: bytes) -> None:
            _take_in(connection._into_ssl, data, len(data))

        def read(self, connection: SSL.Connection, pieces: list[bytes]) -> None:
            ssl = connection._ssl
            while (count := _read(ssl, _MEMORY, RECORD_BYTES)) > 0:
                pieces.append(_CONTENT[:count])
            if _error_of(ssl, count) != _WANTS_MORE:
                _raise_error(connection, ssl, count)

        def encrypt(self, connection: SSL.Connection, data: bytes) -> None:
            ssl, left = connection._ssl, memoryview(data)
            while left:
                count = _write(ssl, _bytes_of(left), len(left))  # a record at a time
                if count <= 0:
                    _raise_error(connection, ssl, count)
                left = left[count:]

        def output(self, connection: SSL.Connection) -> bytes:
            waiting = connection._from_ssl
            count = _take_out(waiting, _MEMORY, _OUTPUT_BYTES)
            if count < _OUTPUT_BYTES:
                return _CONTENT[:count] if count > 0 else b""
            pieces = []
            while count > 0:
                pieces.append(_CONTENT[:count])
                count = _take_out(waiting, _MEMORY, _OUTPUT_BYTES)
            return b"".join(pieces)

    openssl = ByBinding()
