"""Server dialback (XEP-0220): proving a domain by asking the server that DNS names for it.

keys.py      keys, made and verified without remembering any       §2.1.1, XEP-0185
exchange.py  the elements of the three roles, read and written     §2

`features.dialback` decides in each role. The receiving server asks in `federation.verification`; which stream
a further pair gets (§2.6) is decided in `federation.streams`.
"""
