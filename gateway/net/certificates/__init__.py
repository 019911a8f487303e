"""Checking certificates (RFC 6120 §13.7.2), and our own certificates.

judge.py              whether a certificate is trusted, and which domains it proves  RFC 6120 §13.7.2
certificate_names.py  the names in it                                                RFC 6120 §13.7.1.2
certificate_paths.py  from it to one of our authorities                              RFC 5280 §6
trust_store.py        the authorities, and what they have revoked
revocation.py         lists that certificates name                                   RFC 5280 §5
stapling.py           stapled OCSP                                                   RFC 6960
dane.py               what TLSA records say                                          RFC 7671
posh.py               what the domain's web server says                              RFC 7711
own_certificates.py   our own certificates, and which of them to present
"""
