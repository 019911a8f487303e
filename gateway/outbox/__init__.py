"""The outbox: stanzas that wait for another server, kept over crashes, restarts and outages.

retention.py    which stanzas are kept: a table
delay.py        the stamp of what waited (XEP-0203)
window.py       how many kept stanzas are in flight after a break, and which one a peer dies over: tables
settlement.py   when a stanza that was written is taken for delivered: a table
endings.py      what becomes of what is not delivered, and what its sender is told: a table
records.py      what goes in and comes out, and the bounds
errors.py       what an outbox refuses, and when it cannot work
conditions.py   the states of the file, each with a sentence for people: a table
interfaces.py   IOutbox, the one interface
keeper.py       what all routes share: the outbox, and whether what came is safe by now
backlog.py      what is kept of one pair: put, read, sent, settled, ended
chunks.py       stanzas of one flush as one row, and back; their numbers
tallies.py      what is kept of each pair and for each sender, and the check of the bounds
memory.py       an outbox that forgets at the end of the process
sqlite.py       an outbox in one file
statements.py   its SQL
sealing.py      encryption at rest
database.py     the file: opening it, what its errors mean, the reserve for a full disk
opening.py      `[outbox]` to an outbox
"""
