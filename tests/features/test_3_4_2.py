"""Feature 3.4-2: a feature that must be negotiated carries `<required/>` (RFC 6120 §4.3.2, §5.3.1).

SASL says so by itself: nothing but it leads on (§6.3.1). Dialback need not be negotiated where a certificate proves.
"""

from __future__ import annotations

from tests.support.talk import IN_CLEAR, header, message, talk

REQUIRED = b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"


def test_starttls_is_required_where_our_terms_say_so() -> None:
    assert REQUIRED in talk().hear(header()).sent


def test_it_is_not_where_they_do_not() -> None:
    sent = talk(terms=IN_CLEAR).hear(header()).sent
    assert b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" in sent
    assert b"required" not in sent


def test_what_is_required_is_required() -> None:
    assert talk().hear(header(), message()).error == "not-authorized"
    asserted = "<db:result from='theirs.test' to='ours.test'>key</db:result>"
    assert talk().hear(header(), asserted).error == "policy-violation"
