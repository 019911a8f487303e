"""Policy, router, and the common parts of routes: which stanzas are allowed, and which route takes them.

interfaces.py    the interfaces of handlers, routes and router
policy.py        which headers and stanzas a stream may carry                     RFC 6120 §8.1.2
router.py        from a stanza to the one route that owns its domain              RFC 6120 §10
outflow.py       the queue for one destination: batches, limits, back-pressure
requests.py      open requests, answered when their responder disappears          RFC 6120 §8.2.3
disposition.py   what happens to a stanza on a route now
review.py        whether an open stream is still allowed after a reload
privileges.py    what a component may do for accounts                             XEP-0356
delegations.py   what a component answers in place of a domain                    XEP-0355
"""
