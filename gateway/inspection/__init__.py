"""Looking at a server from outside: the questions and connections of `interop` and `check --world`.

inspector.py          the order of the inspection of a domain
names.py              questions to the DNS
visits.py             one connection to one address
tls.py                TLS down to version 1.0, to see what the other side chooses
looking.py            the stream feature that looks at what is offered, and proves nothing
certificate_facts.py  a certificate, as a report shows it
"""
