"""Dealing with remote domains: when to try them, what they have proved, what waits for them."""
