"""SASL mechanisms, both sides of each: bytes in, steps out; no stream, clock, randomness or store (RFC 4422).

mechanism.py       the vocabulary, and the two classes that a stream feature drives
payload.py         base64 as XMPP carries it, with `=` for empty data       RFC 6120 §6.4
passwords.py       passwords prepared for hashing                                        RFC 4013
keys.py            ScramKeys, stored in place of a password; decoys for accounts that do not exist
scram_messages.py  the grammar of SCRAM: text to records and back                        RFC 5802 §7
scram.py           SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms                      RFC 5802, 7677, 9266
plain.py           PLAIN                                                                 RFC 4616
external.py        EXTERNAL                                                              RFC 4422 appendix A, XEP-0178
digest_md5.py      DIGEST-MD5, for old servers only                                      RFC 2831
"""
