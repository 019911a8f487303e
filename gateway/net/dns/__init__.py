"""DNS: from a domain to the addresses of its servers (RFC 6120 §3.2, XEP-0368).

resolver.py         from a domain to its servers                              RFC 6120 §3.2
target_search.py    one search: what is asked, in which order, and what follows  RFC 6120 §3.2.1, §3.2.2
service_records.py  service records, and the order of their targets           RFC 2782
targets.py          where a stream may be opened, and the names that led there
destinations.py     addresses to which other domains must not lead us
questions.py        each question asked once, and its answer kept for a while
nameservers.py      one question to the nameservers                           RFC 1035 §7
answers.py          the answer to it, checked
tlsa.py             TLSA records                                              RFC 6698 §2
validation.py       whether the nameservers validate signatures
liveness.py         whether any nameserver answers
system_names.py     /etc/hosts and /etc/resolv.conf
"""
