"""Stores on a PostgreSQL server, by psycopg. Nothing else imports this folder unless the configuration asks for it.

driver.py    psycopg, the parameters of a connection, and where the server is
troubles.py  the server's errors, as what they mean: a table
schemas.py   migrations from schema/v*.sql
session.py   one connection: it is opened again when it breaks, and finds out whether a commit was done
epochs.py    writes of an owner are refused when a later owner has written
store.py     IStore over several sessions
"""
