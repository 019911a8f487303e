"""The other side of every connection: what sends and what counts, in processes of their own.

wire.py       a blocking connection that turns big reads and writes into few system calls
streams.py    as far as an established stream: as a server, a component, a client
actors.py     what the processes do: send what was prepared, count what arrives
outside.py    the servers of the outside world that a server connects to
remote.py     an object that lives in another process
"""
