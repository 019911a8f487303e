"""XMPP values: namespaces, addresses, elements, stanzas and errors. The standard library, idna and precis only."""
