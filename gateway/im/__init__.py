"""Domains with accounts: rosters, presence and messages for people (RFC 6121)."""
