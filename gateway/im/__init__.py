"""Domains with accounts: rosters, presence and messages for people (RFC 6121).

domain.py          AccountDomain: the route, and where clients are bound; everything begins here
interfaces.py      IBoundClient: what a domain needs of a client's stream
limits.py          the limits for one account in memory; storage.records has those of what is stored
account.py         an account and its resources, in memory; which of them receive messages   §8.5.2.1.1
accounts.py        which accounts are in memory
work.py            the queue of each account, which keeps order while something waits for the store
waiting_steps.py   what waits there, in shares: the account's own, and that of others
assembly.py        the parts, put together once

homes.py           where accounts live, if several nodes serve the domain
sharded.py         ShardedDomain: an AccountDomain for those that live here

inbound.py         stanzas to an account                                               §8.5
delivery.py        the table of their ends, by type and by what they find              §5.2.2, §8.5.1 to §8.5.4
outbound.py        stanzas from a client                                               RFC 6120 §8.1.2, §10
subscriptions.py   the state tables of appendix A
relations.py       their effect on roster items and requests
subscribing.py     presence that manages subscriptions, and requests that wait         §3
roster.py          RosterService: get, set and push; versions                          §2, §2.6
roster_elements.py roster items, read and written as XML                               §2.1, §2.3.3
presence.py        showing that a resource is available, or no longer; directed presence  §4, §4.6
probes.py          answering those who ask                                             §4.3.2
throttle.py        limiting the rate of updates

services.py        requests that the server answers for an account                     §8.5.2.1.3
delegated.py       XEP-0355: components that answer in its place
privileged.py      XEP-0356: components that act for accounts
announcing.py      messages of an operator to everybody who is online, or to all accounts
discovery.py       XEP-0030, XEP-0199, and remains of RFC 3921
documents.py       XEP-0049, XEP-0054
answer_rates.py    how much of them others may ask for
blocking.py        XEP-0191; blocklist.py: the senders that an address matches
carbons.py         XEP-0280
offline.py         XEP-0160, XEP-0203
kept.py            a message that the store keeps until a client has it
client_state.py    XEP-0352, for the stream's side of a session

answers.py         stanzas made by the server itself
edits.py           small edits of a stanza's bytes
failures.py        failures, as errors for senders
"""
