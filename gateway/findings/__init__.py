"""A server seen from outside: facts that were observed, rules, findings, and reports. No sockets, no clock."""
