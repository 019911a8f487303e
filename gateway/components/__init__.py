"""External components (XEP-0114).

session.py    one connection of a component
life.py       its life, as a table
route.py      the route to the component of a domain: which connection has it, and what waits
headers.py    which of their stream headers are accepted, and for which domains    RFC 6120 §4.7
conflict.py   whether a further connection replaces one that is attached   RFC 6120 §4.9.3.3
slots.py      the places for several connections, and the division of stanzas among them
elsewhere.py  a component that is attached at another node
narration.py  what happened on a stream, for its log
single.py     handlers that run at one node of a cluster at a time

The handshake is `features.handshake`.
"""
