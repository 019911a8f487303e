"""TLS on the wire."""
