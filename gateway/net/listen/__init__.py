"""Listening ports, and the limits on incoming connections.

doors.py              the factory of streams for each kind of port
listening.py          one endpoint of `[listen]`, opened before privileges are dropped
connection_limits.py  which connections are let in
few_connections.py    a bound on the connections to a port without streams
descriptors.py        how many files the system lets us open
"""
