"""XMPP values: namespaces, addresses, elements, stanzas and errors. It imports only the standard library, idna and
precis.
"""
