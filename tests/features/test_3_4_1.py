"""Feature 3.4-1: features are advertised after the response header, also the empty ones that end negotiation
(RFC 6120 §4.3.2).
"""

from __future__ import annotations

import pytest

from gateway.stream.facts import Means, Terms
from tests.support.pair import Certificate
from tests.support.talk import GOOD, IN_CLEAR, INBOUND, header, proved, talk, under_tls

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
REQUIRED = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
EXTERNAL = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
WRONG = Certificate(names=frozenset({"other.test"}))


@pytest.mark.parametrize(
    ("talking", "offered"),
    [
        (talk(), REQUIRED),
        (talk(terms=IN_CLEAR), STARTTLS + DIALBACK),
        (under_tls(certificate=GOOD), EXTERNAL + DIALBACK),
        (under_tls(certificate=WRONG), DIALBACK),
        (under_tls(certificate=None), DIALBACK),
        (under_tls(terms=Terms(means=(Means.EXTERNAL,))), EXTERNAL),
        (under_tls(terms=Terms(means=(Means.DIALBACK,))), DIALBACK),
        (under_tls(proofs={INBOUND: Means.EXTERNAL}), DIALBACK),
        (under_tls(certificate=None, terms=Terms(means=())), ""),
    ],
)
def test_what_applies_is_offered_behind_the_header(talking, offered: str) -> None:
    sent = talking.hear(header()).sent.decode()
    features = f"<stream:features>{offered}</stream:features>" if offered else "<stream:features/>"
    assert sent.endswith("xml:lang='en'>" + features)


def test_they_are_sent_once() -> None:
    assert proved().hear(" ").sent == b""
