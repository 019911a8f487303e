"""XMPP values: namespaces, addresses, elements, stanzas, errors. Imports only the standard library, idna and precis.

addresses.py         JIDs: read and compared                                   RFC 7622
address_parts.py     their parts, prepared
precis.py            the PRECIS profiles                                       RFC 8265
stringprep_steps.py  steps of stringprep                                       RFC 3454
code_points.py       what the libraries say about each code point
punycode.py          A-labels                                                  RFC 3492
elements.py          Element: an immutable tree, from and to bytes
building.py          elements written in Python
stanzas.py           Stanza: its attributes, over its own bytes; answers to it  RFC 6120 §8, §8.3.1; RFC 6121 §5.2.2
iqs.py               what every iq must have: id, type, one payload            RFC 6120 §8.2.3
start_tags.py        the attributes of a start tag, read and set in its bytes
markup.py            regular expressions for well-formed markup
errors.py            exceptions, and the tables of conditions                  RFC 6120 §4.9.3, §6.5, §8.3.3
faults.py            which fault ends the stanza, and which the stream
namespaces.py        every namespace
digits.py            numbers from strangers
ip_addresses.py      the IPv4 address inside an IPv6 one
"""
