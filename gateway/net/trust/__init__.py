"""Evidence for a certificate besides the authorities: what its domain says elsewhere.

witness.py      Witness: a source of evidence for a certificate
posh.py         POSH documents                                      RFC 7711 §4
revocations.py  revocation lists, fetched and kept until they are due
fetching.py     one small document from the web, from a URL that another party has named
web_client.py   the client that fetches it, imported for the first request
web_answers.py  what the request brings: an answer, or the reason why there is none
"""
