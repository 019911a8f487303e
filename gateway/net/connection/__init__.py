"""One TCP connection: its bytes, its timers, its back-pressure.

protocol.py            StreamProtocol: bytes to a Stream, and the orders of the Stream carried out
life.py                the life of a connection, as a table: what each state waits for, and how long
securing.py            how TLS starts on it, and what its failure means
readable.py            whether it is read from: back-pressure
reading_turns.py       what was read, taken in turns
writable.py            what is written to it, and whether it takes more
turn_shares.py         what one read has led to, a share in each turn
gathering.py           stanzas written soon after each other, sent together
stalling.py            an end to connections whose other side reads nothing
user_timeout.py        connections whose other side disappeared           RFC 5482
idle_parsers.py        the memory of quiet connections
foreign_protocols.py   HTTP, TLS, SSH and others where XMPP was expected
disconnect_reasons.py  why a connection was lost, in words
"""
