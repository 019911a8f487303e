"""Guests: where we are the client of another server, as our own interoperability probe is.

guest.py     Guest: find the server, log in, stay, leave                                RFC 6120 §3, §5-§7
session.py   GuestSession: the connection, from its first byte to its last
affairs.py   what a client says and hears: requests and answers, roster, presence       RFC 6121
"""
