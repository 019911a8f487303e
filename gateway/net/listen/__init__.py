"""Listening ports, and the limits on incoming connections."""
