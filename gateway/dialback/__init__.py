"""Server dialback (XEP-0220): proving a domain by asking the server that DNS names for it."""
