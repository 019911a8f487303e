"""The gateway as a client of another server, for `xmpp-gateway login`.

login.py      Login: find the server, log in, stay, leave                                RFC 6120 §3, §5-§7
session.py    LoginSession: the connection, from its first byte to its last
messaging.py   what a client sends and receives: requests, roster, presence       RFC 6121
"""
