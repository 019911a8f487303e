"""The other side of every connection: senders and counters, in their own processes.

wire.py       a blocking connection that turns big reads and writes into few system calls
streams.py    the way to an established stream: as a server, a component, a client
actors.py     the work of the processes: send prepared stanzas, count those that arrive
outside.py    the servers of the outside world that a server connects to
remote.py     an object that lives in another process
"""
