"""Opening a stream to another server.

connector.py  Connector: resolve, dial, negotiate, or give up with a reason   RFC 6120 §3.2
dialling.py   connections to several addresses until one is up                RFC 8305 §5
tries.py      the next way to a domain after one has failed
underway.py   limits on the streams that are being opened
"""
