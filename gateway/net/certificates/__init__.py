"""Checking certificates (RFC 6120 §13.7.2), and our own certificates."""
