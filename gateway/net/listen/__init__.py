"""Listening: the ports, and how much may come in on them."""
