"""Clients of domains with accounts: everything between a client's stream and `im`.

people.py             everybody who logs in to a domain: accounts, sessions, limits
headers.py            which stream headers a client port accepts                              RFC 6120 §4.7
life.py               the life of a session, as a table
login.py              answers the questions of SASL: keys of accounts, slow work, pauses after failures
session.py            ClientSession: one connection of a client, from its first byte to its last
client.py             Client: a bound client, which may outlive its connection                   XEP-0198, XEP-0352
answer_shares.py      what a client has sent, in shares between which others have their turn
handover.py           kept messages for a client that acknowledges nothing                       XEP-0160
resumable_clients.py  clients that lost their connections and may come back                      XEP-0198 §5
liveness.py           finds connections that died silently
narration.py          what happened on a stream, for its log
"""
