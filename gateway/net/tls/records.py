"""Decrypting: all records in the bytes that OpenSSL was given, in one call.

A peer that writes stanza by stanza makes a record of each. For each record, pyOpenSSL's `recv` allocates memory, checks
three places for exceptions of callbacks, and asks OpenSSL for the outcome: together more than decrypting costs. So
records are read here with the binding that pyOpenSSL is made of, and only other cases are left to pyOpenSSL, which has
the error messages for them. That binding is not public: where it is missing or different, `recv` is used.
"""

from __future__ import annotations

from OpenSSL import SSL

RECORD_BYTES = 1 << 14
"""The most that a record holds (RFC 8446 §5.1)."""


def read_by_recv(connection: SSL.Connection, pieces: list[bytes]) -> None:
    """Append the content of each record until OpenSSL needs more bytes; otherwise raise what `recv` raises."""
    receive = connection.recv
    try:
        while True:
            pieces.append(receive(RECORD_BYTES))
    except SSL.WantReadError:
        return


try:
    from OpenSSL._util import ffi, lib

    # shared by all: the content of a record is copied before the next is read
    _MEMORY = ffi.new("char[]", RECORD_BYTES)
    _CONTENT = ffi.buffer(_MEMORY)
    _read, _error_of, _WANTS_MORE = lib.SSL_read, lib.SSL_get_error, lib.SSL_ERROR_WANT_READ
    _raise_error = SSL.Connection._raise_ssl_error
except (ImportError, AttributeError):
    read_records = read_by_recv
else:

    def read_records(connection: SSL.Connection, pieces: list[bytes]) -> None:
        """Append the content of each record until OpenSSL needs more bytes; otherwise raise what `recv` raises."""
        ssl = connection._ssl
        while (count := _read(ssl, _MEMORY, RECORD_BYTES)) > 0:
            pieces.append(_CONTENT[:count])
        if _error_of(ssl, count) != _WANTS_MORE:
            _raise_error(connection, ssl, count)
