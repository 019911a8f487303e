"""An outbox on a PostgreSQL server. Nothing else imports this folder unless the configuration asks for it.

database.py  the database: opening it, the meaning of its errors, and its one owner
nodes.py     a schema for each node of a cluster
"""
