"""Policy, router, and the common parts of routes: which stanzas are allowed, and which route takes them."""
