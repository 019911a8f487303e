"""Filters: rules about the stanzas that cross the border between our domains and the others.

rules.py          the `[[filter]]` tables as values
laws.py           what no rule may do, as a table                                RFC 6120 §8.2.3, §8.3.1
border.py         what the router asks about every stanza
plans.py          the rules that can apply between two domains
conditions.py     the tests of a rule
content.py        the text and children of a stanza
lists.py          named domains and people
rtbl.py           real-time block lists                                          XEP-0060
acquaintances.py  people whom our users have written to
contacts.py       where another domain wants reports                             XEP-0157
reports.py        reports of abuse                                               XEP-0377
withheld.py       stanzas held for an operator
interfaces.py     IFilter: a filter in Python
questions.py, notices.py  our own requests; the audit record
"""
