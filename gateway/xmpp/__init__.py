"""XMPP values: namespaces, addresses, elements, stanzas, errors. Imports only the standard library, idna and precis."""
