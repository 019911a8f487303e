"""Buffers: what lies between OpenSSL and us, and how a silent connection gives back their memory.

OpenSSL reads from one buffer and writes to another. They grow with the largest piece that passed, which for most
streams was part of the handshake, and never shrink: five KiB for each stream, however long it is idle. So a stream that
rests gets new ones, by the binding that pyOpenSSL is made of. That binding is not public: where it is missing or
different, the old ones stay.
"""

from __future__ import annotations

from OpenSSL import SSL


def keep_buffers(connection: SSL.Connection) -> None:
    """Leave the buffers as they are."""


try:
    from OpenSSL._util import ffi, lib

    _new, _in_memory, _replace, _content = lib.BIO_new, lib.BIO_s_mem, lib.SSL_set_bio, lib.BIO_get_mem_data
    _place = ffi.new("char **")
except (ImportError, AttributeError):
    renew_buffers = keep_buffers
else:

    def renew_buffers(connection: SSL.Connection) -> None:
        """Give the connection new, empty buffers, unless something still waits in the old ones."""
        if _content(connection._into_ssl, _place) or _content(connection._from_ssl, _place):
            return
        connection._into_ssl, connection._from_ssl = _new(_in_memory()), _new(_in_memory())
        _replace(connection._ssl, connection._into_ssl, connection._from_ssl)  # it frees the old ones
