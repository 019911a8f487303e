"""Storage that survives restarts: accounts, rosters, subscription requests, offline messages, blocking lists,
documents.

    records.py      the records, and the limits
    errors.py       refusals, and failures of a store
    interfaces.py   IStore, the one interface
    memory.py       a store in memory: for tests, and for trying the gateway out
    calls.py        the calls of a store in a database, as jobs
    sqlite.py       a store in one file
    statements.py   the SQL of accounts, messages, blocking lists and documents
    rosters.py      the SQL of rosters and subscription requests
    dialects.py     what differs between the databases that run this SQL
    commits.py      many waiting jobs in one transaction, in its own thread
    files.py        opening the file: permissions, pragmas, migrations from schema/v*.sql
    health.py       the errors of SQLite, each with a sentence and a remedy
    whole_files.py  small files of the state folder, replaced whole or not at all
    transfer.py     copying a database into another, for `migrate`
    urls.py         the kinds of `url`, and what may be shown of one
    opening.py      from `[storage] url` to a store
    postgresql/     a store on a PostgreSQL server
"""
