"""Clients of domains with accounts: everything between a client's stream and `im`.

login.py       answers the questions of SASL: keys of accounts, slow work, pauses after failures
door.py        which stream headers a client door accepts
session.py     ClientSession: one connection of a client, from its first byte to its last
client.py      Client: a bound client, which may outlive its connection                          XEP-0198, XEP-0352
handover.py    kept messages for a client that acknowledges nothing                XEP-0160
resumption.py  clients that lost their connections and may come back                          XEP-0198 §5
liveness.py    finds connections that died silently
narration.py   what happened on a stream, for the attempt's record
"""
