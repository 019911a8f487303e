"""What OpenSSL can decrypt of the bytes that it was given: every record, by one call.

A peer that writes stanza by stanza makes a record of each. For each record, pyOpenSSL's `recv` takes new memory, looks
in three places for what a callback may have raised, and asks OpenSSL how it went: together more than the decrypting
costs. So records are read here by the binding that pyOpenSSL is made of, and only what is no record is left to
pyOpenSSL, which has the words for it. That binding is not public: where it is not what we know, `recv` does.
"""

from __future__ import annotations

from OpenSSL import SSL

RECORD_BYTES = 1 << 14
"""The most that a record holds (RFC 8446 §5.1)."""


def read_by_recv(connection: SSL.Connection, pieces: list[bytes]) -> None:
    """Append what each record holds, until OpenSSL needs more bytes; raises what `recv` raises else."""
    receive = connection.recv
    try:
        while True:
            pieces.append(receive(RECORD_BYTES))
    except SSL.WantReadError:
        return


try:
    from OpenSSL._util import ffi, lib

    _MEMORY = ffi.new("char[]", RECORD_BYTES)  # one for all: what a record held is copied before the next is read
    _CONTENT = ffi.buffer(_MEMORY)
    _read, _error_of, _WANTS_MORE = lib.SSL_read, lib.SSL_get_error, lib.SSL_ERROR_WANT_READ
    _raise_error = SSL.Connection._raise_ssl_error
except (ImportError, AttributeError):
    read_records = read_by_recv
else:

    def read_records(connection: SSL.Connection, pieces: list[bytes]) -> None:
        """Append what each record holds, until OpenSSL needs more bytes; raises what `recv` raises else."""
        ssl = connection._ssl
        while (count := _read(ssl, _MEMORY, RECORD_BYTES)) > 0:
            pieces.append(_CONTENT[:count])
        if _error_of(ssl, count) != _WANTS_MORE:
            _raise_error(connection, ssl, count)
