"""Clients of domains with accounts: everything between a client's stream and `im`.

login.py       answers what SASL asks: keys of accounts, work that takes time, pauses after failures
door.py        which stream headers a client door accepts
session.py     ClientSession: one connection of a client, from its first byte to its last
client.py      Client: a bound client, which may outlive its connection                          XEP-0198, XEP-0352
handover.py    when a client that acknowledges nothing has what was kept for it       XEP-0160
resumption.py  the clients whose connections are gone and may come back                          XEP-0198 §5
liveness.py    finds the connections that died without a word
narration.py   what happened on a stream, for the attempt's record
"""
