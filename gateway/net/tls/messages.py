"""Messages of TLS itself after the handshake: new keys, session tickets, attempts to negotiate again.

One of them has about 30 bytes and can take as long as several stanzas, mostly for deriving keys. OpenSSL carries out
any number, in a row, before it returns what comes behind them. So it is told to return after each, and reports each
here. Both need the binding that pyOpenSSL is made of, which is not public: where it is missing or different, such
messages are not counted.
"""

from __future__ import annotations

from OpenSSL import SSL

messages: list[None] = []
"""An entry for each message that any connection has read or written since the list was cleared."""


def ignore_messages(connection: SSL.Connection) -> None:
    """Leave the connection as it is: nothing is ever in the list."""


try:
    from OpenSSL._util import ffi, lib

    _tell, _clear_mode, _READ_ON = lib.SSL_set_info_callback, lib.SSL_clear_mode, lib.SSL_MODE_AUTO_RETRY

    def _note(_connection: object, where: int, _result: int) -> None:
        if where & SSL.SSL_CB_EXIT:
            messages.append(None)

    _report = ffi.callback("void (*)(const SSL *, int, int)", _note)
except (ImportError, AttributeError, TypeError):
    count_messages = ignore_messages
else:

    def count_messages(connection: SSL.Connection) -> None:
        """Report the messages of a connection from now on, and stop reading from it after each."""
        _clear_mode(connection._ssl, _READ_ON)
        _tell(connection._ssl, _report)
