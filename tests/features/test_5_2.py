"""Feature 5-2: no white space is sent between elements while SASL is negotiated; nothing that they send behind it is
read as part of the authenticated stream (RFC 6120 §6.3.5).
"""

from __future__ import annotations

import pytest

from gateway.stream.facts import Role
from tests.support.talk import Talk, header, under_tls

OFFER = (
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "</stream:features>"
)
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"


def receiving(behind: str = "") -> Talk:
    return under_tls().hear(header(), AUTH + behind)


def initiating(behind: str = "") -> Talk:
    return under_tls(Role.INITIATING).open().hear(header(id_="1"), OFFER, SUCCESS + behind)


def test_we_send_none() -> None:
    for sent in (receiving().sent, initiating().sent):
        assert not any(space in sent for space in (b"> ", b">\n", b" <", b"\n<"))
    assert receiving().sent.endswith(SUCCESS.encode())


@pytest.mark.parametrize("behind", [" x", header(), "<db:result/>", "\0"])
@pytest.mark.parametrize("say", [receiving, initiating])
def test_h_20_what_comes_behind_ends_the_stream(say, behind: str) -> None:
    talking = say(behind)
    assert talking.error == "policy-violation"
    assert not talking.stream.facts.proofs


@pytest.mark.parametrize("behind", [" ", "\n"])
@pytest.mark.parametrize("say", [receiving, initiating])
def test_white_space_behind_means_nothing_and_is_dropped(say, behind: str) -> None:
    talking = say(behind)
    assert talking.error is None
    assert talking.stream.facts.proofs


def test_white_space_before_is_harmless() -> None:
    talking = under_tls().hear(header(), " \n ", AUTH)
    assert talking.sent.endswith(SUCCESS.encode())
