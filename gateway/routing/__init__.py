"""Policy, router, and the parts of every route: which stanzas are allowed, and which route takes them."""
