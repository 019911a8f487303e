"""One XML stream, free of sockets: bytes in, events out; orders in, bytes out (RFC 6120 §4)."""
