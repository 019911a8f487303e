"""TLS on the wire.

layer.py      TLS between a TCP connection and its stream
states.py     its states, as a table                                          RFC 8446 §6.1
contexts.py   what we offer, and the certificate that we present              RFC 7590
session.py    the results of a handshake: certificates, channel bindings
records.py    OpenSSL's end of a connection: the handshake, decrypting and encrypting in a few calls
requesting.py the request for the certificate of a peer that connects to us, whatever it is
messages.py   what TLS itself says after the handshake, counted               RFC 8446 §4.6
buffers.py    what lies between OpenSSL and us
transport.py  what Twisted gives a protocol for a TCP connection
"""
