"""A server seen from outside: facts that were observed, rules, findings, and reports. No sockets, no clock.

facts.py         what was observed: plain values
names.py         rules about the DNS
endpoints.py     rules about connection, TLS, certificate, and the start of a stream
conversation.py  rules about talking with the domain
table.py         everything that a report can say, each with level, standard, side and remedy
finding.py       one row of that table, as it was observed somewhere
report.py        the report, and its form in JSON
html.py          the report as one HTML file
world.py         the rules of `check --world` about our own domains
reference.py     docs/findings.md, made from the table
"""
