"""Storage over restarts: accounts, rosters, subscription requests, offline messages, blocking lists, documents.

records.py      what goes in and comes out, and the bounds
errors.py       what a store refuses, and when it cannot work
routing/interfaces.py   IStore, the one interface
memory.py       a store that forgets: for tests, and for a gateway that is only tried out
sqlite.py       a store in one file
statements.py   the SQL of accounts, messages, blocking lists and documents
rosters.py      the SQL of rosters and subscription requests
commits.py      many waiting jobs in one transaction, in a thread of its own
files.py        opening the file: permissions, pragmas, migrations from schema/v*.sql
opening.py      `[storage] url` to a store
"""
