"""Domains with accounts: rosters, presence and messages for people (RFC 6121).

domain.py          AccountDomain: the route, and where clients are bound; everything begins here
routing/interfaces.py      ISession: what is needed of a client's stream
limits.py          how much one account may make us do
account.py         an account and its resources, as they are in memory
accounts.py        which accounts are in memory
work.py            the queue of each account: what waits for the store keeps its order
assembly.py        the parts, put together once

inbound.py         what comes to an account                    §8.5
delivery.py        the table of its ends                       §8.5.4
outbound.py        what a client sends                         RFC 6120 §8.1.2, §10
subscriptions.py   the state tables of appendix A
relations.py       what they do to roster items and requests
subscribing.py     presence that asks, allows, denies, ends    §3
contacts.py        the roster service                          §2
roster.py          rosters on the wire                         §2.1, §2.3.3
presence.py        who sees that a resource is there           §4
probes.py          who asks for it                             §4.3.2
throttle.py        floods of updates become trickles

services.py        what the server answers for an account
about.py           XEP-0030, XEP-0199, and what RFC 3921 left behind
documents.py       XEP-0049, XEP-0054
blocking.py        XEP-0191; blocklist.py: whom an address stands for
carbons.py         XEP-0280
offline.py         XEP-0160, XEP-0203
kept.py            a message that the store keeps until a client has it
client_state.py    XEP-0352, for the stream's side of a session

answers.py         what the server itself says
edits.py           small edits of a stanza's bytes
failures.py        what failed, as errors for senders
"""
