"""The stream features, one per file; none knows another (see `stream.negotiation`).

starttls.py           STARTTLS                                                RFC 6120 §5
sasl.py               the elements of SASL, and questions to the I/O layer    RFC 6120 §6
sasl_initiating.py    the side that chooses a mechanism                       RFC 6120 §6.4
sasl_receiving.py     the side that offers mechanisms                         RFC 6120 §6.4
sasl_servers.py       the mechanisms between servers                          XEP-0178
sasl_clients.py       the mechanisms of clients                               RFC 6120 §13.8
dialback.py           dialback in its three roles; which answers count        XEP-0220 §2
handshake.py          the handshake of a component                            XEP-0114
bind.py               resource binding                                        RFC 6120 §7
stream_management.py  enabling acknowledgements, and resuming a stream        XEP-0198
bidi.py               stanzas in both directions between servers              XEP-0288
limits.py             the limits that each side announces                     XEP-0478
client_state.py       whether anybody is looking at a client                  XEP-0352
advertisement.py      features that are only announced                        RFC 6120 §4.3.2
evidence.py           evidence for a certificate, asked for before all others
"""
