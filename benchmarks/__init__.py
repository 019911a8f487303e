"""The gateway beside Prosody and ejabberd: the same work for each, on loopback, alternating, in one run.

    python -m benchmarks                          everything, as a table
    python -m benchmarks --only s2s-component     one workload
    python -m benchmarks.profile s2s-component    where the gateway's time goes in it
    python -m benchmarks.instructions             the instructions of a handshake, on a machine that is busy

The figure is the processor time of the server's processes, read from the operating system (`meter`). The load comes
from our own processes that only move prepared bytes (`load`, `traffic`): they must never be the bottleneck, and each
run prints how busy they were. Times differ from machine to machine and from hour to hour, so only ratios within one run
count.

    figures.py     the figures: medians, spread, ratios
    meter.py       processor time and memory of a server and of all its child processes
    traffic.py     the bytes: stanzas, and how they are cut into writes
    load/          the other side of every connection, each in its own process
    arena.py       the servers, set up alike, and their surroundings
    workloads/     one class for each kind of work
    table.py       the results as text and as JSON
"""
