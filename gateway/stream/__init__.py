"""One XML stream, without sockets: bytes in, events out; orders in, bytes out (RFC 6120 §4).

stream.py            the parts below behind a few calls; restarts, and the end   §4.3.3, §4.4, §4.9.1
states.py            the states of a stream, as one table                        §4.2 to §4.4
header.py            the header that each side sends, and its version            §4.7, §4.8
codec.py             from bytes to stanzas and other elements
codec_states.py      what the codec looks for, as one table
stanza_reader.py     from a stanza's bytes to its addresses, type, id, language  §8.1
expat.py             what XML is forbidden                                       §11.1
framing.py           where a top-level element ends
scope.py             what a stanza inherits from its stream: namespaces, xml:lang  §4.8, §8.1.5
budget.py            the limits of one element
limits.py            the limits that one side announces                          XEP-0478
negotiation.py       features in order, and the steps that they return           §4.3
profiles.py          the kinds of streams, each with its features
facts.py             what has been proved and negotiated
evidence.py          proof of a certificate besides the authorities
events.py            the output: events, and orders to the owner of the socket
writing.py           elements as bytes
errors.py            stream errors on the wire                                   §4.9.2
bare_errors.py       another server's error in place of its header
acknowledgements.py  counts of stanzas, acknowledged or not                      XEP-0198 §4
known.py             sequences that are cached with their meaning
sessions.py          the interfaces of connection and session
lives.py             the common part of state tables
tools.py             what all streams share; the length of their ids             §4.7.3
records.py           a small helper

The end of a stream after a closing tag, with its timers, is in `net.connection.life`.
"""
