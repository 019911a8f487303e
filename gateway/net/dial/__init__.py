"""Opening a stream to another server.

connector.py    Connector: resolve, dial, negotiate, or give up with a reason   RFC 6120 §3.2
dialling.py     connections to several addresses until one is up                RFC 8305 §5
tries.py        the ways to a domain, and the next one after one has failed
time_shares.py  the share of the time that one server has
underway.py     limits on the streams that are being opened
"""
