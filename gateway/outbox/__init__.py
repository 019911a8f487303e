"""The outbox: stanzas that wait for another server, kept across crashes, restarts and outages.

retention.py    which stanzas are kept: a table
delay.py        the stamp of stanzas that waited (XEP-0203)
window.py       how many kept stanzas are in flight after a break, and which one breaks the peer: tables
settlement.py   when a written stanza counts as delivered: a table
endings.py      the end of undeliverable stanzas, and the error for their senders: a table
records.py      the records, and the limits
errors.py       refusals, and failures of an outbox
conditions.py   the conditions of the file, each with a sentence for people: a table
interfaces.py   IOutbox, the one interface
keeper.py       shared by all routes: the outbox, and whether everything put so far is safe
backlog.py      the kept stanzas of one pair: what their route sees of them
puts.py         their way to the disk: gathered, put; senders that wait for it
sending.py      their way to the open stream: read, sent in order with what follows them
in_flight.py    those written to the stream, until they are settled
in_doubt.py     what a stream got without being kept, and what a broken one may have delivered
removal.py      those that leave the disk in another way: arrived, expired, set aside
backlog_owner.py  what a backlog needs of its route
backlogs.py     the backlogs of one of our domains, if it is sent to by many over one stream
flight.py       the kept stanzas in flight on one stream, of all pairs that use it
followers.py    stanzas in memory that wait for kept ones to be written first
waiting.py      a stanza as it is sent from the outbox
read_ahead.py   what is sent next, and whether the disk has more: a table
exposure.py     what would be sent again if the gateway died now
attempts.py     what goes back to its sender when a domain cannot be reached
chunks.py       the stanzas of one flush as one row, and back; their numbers
tallies.py      how much is kept of each pair and for each sender, and the check of the limits
memory.py       an outbox that forgets at the end of the process
durable.py      an outbox in a database
statements.py   its SQL
progress.py     how far a sequence of jobs is done
sealing.py      encryption at rest
databases.py    what it needs of its database
database.py     a file as its database: opening it, the meaning of its errors, the reserve for a full disk
postgresql/     an outbox on a PostgreSQL server
opening.py      from `[outbox]` to an outbox
adoption.py     what waits in the outbox of a gateway that is gone moves to ours
"""
