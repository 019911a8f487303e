"""Several gateways that act as one: who is there, who has what, and what crosses between them.

    names.py         what a node may be called
    shards.py        accounts and single services -> 256 shards; shards -> nodes
    records.py       what each node writes into the shared directory: keys and values
    lease.py         this node's membership: a table of states, and a lease by its own clock
    directory.py     the picture of all nodes, their domains and shards, as this node sees it
    claims.py        which shards this node should claim, and which it should release
    lanes.py         numbered batches to another node, with a window; and their counterpart, which takes each once
    open_lane.py     an open lane, as a channel: what one turn gathers, and what is sent again without an answer
    frames.py        batches and acknowledgements as bytes
    interfaces.py    ICluster: what is asked of an engine
    alone.py         the engine within one process
    membership.py    the life of this node: it joins, renews, announces, claims and leaves
    crossing.py      the lanes of this node to all others, what arrives from them, and questions between nodes
    askers.py        where the answer to a request must go
    node.py          membership and crossings, fed by the engine

No file here knows a socket, a clock or a domain's route. `net.engine` has the engine between machines.
"""
