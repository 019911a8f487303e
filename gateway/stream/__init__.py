"""One XML stream, without sockets: bytes in, events out; orders in, bytes out (RFC 6120 §4)."""
