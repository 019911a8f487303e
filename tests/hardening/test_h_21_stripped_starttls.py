"""H-21: where policy requires TLS, a server that does not offer it is left before anything is proved or shown; EXTERNAL
and dialback keys never travel in clear.
"""

from __future__ import annotations

from itertools import product

import pytest

from gateway.stream.facts import Role, Terms
from tests.support.talk import IN_CLEAR, KEYS, OUTBOUND, Talk, header, message, talk

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
MECHANISMS = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'/>"
STRIPPED = ["", MECHANISMS, DIALBACK, MECHANISMS + DIALBACK, "<starttls xmlns='urn:x'/>", "<starttls/>",
            f"<x xmlns='y'>{STARTTLS}</x>"]  # fmt: skip
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
ASSERTED = "<db:result from='theirs.test' to='ours.test'>key</db:result>"
QUESTION = "<db:verify from='theirs.test' to='ours.test' id='1'>key</db:verify>"


def called(offers: str, terms: Terms, *, bytewise: bool = False) -> Talk:
    talking = talk(Role.INITIATING, terms=terms, bytewise=bytewise).open()
    return talking.hear(header(id_="1"), f"<stream:features>{offers}</stream:features>")


@pytest.mark.parametrize(("offers", "bytewise"), list(product(STRIPPED, [False, True])))
def test_h_21_a_server_without_starttls_is_left(offers: str, bytewise: bool) -> None:
    talking = called(offers, Terms(), bytewise=bytewise)
    assert talking.error == "policy-violation"
    assert talking.is_closed
    assert_nothing_shown(talking)


def test_h_21_also_one_that_breaks_off() -> None:
    talking = called(STARTTLS, Terms()).hear("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
    assert not talking.stream.is_open
    assert_nothing_shown(talking)


def test_h_21_also_one_that_offers_no_features_at_all() -> None:
    """It is asked for TLS anyway, and for nothing else."""
    talking = talk(Role.INITIATING).open().hear(header(id_="1", version=None))
    assert talking.sent.endswith(STARTTLS.encode())
    assert_nothing_shown(talking)


@pytest.mark.parametrize("terms", [Terms(), IN_CLEAR])
@pytest.mark.parametrize("again", [MECHANISMS, MECHANISMS + DIALBACK, ""])
def test_h_21_features_sent_again_in_clear_lead_to_nothing(terms: Terms, again: str) -> None:
    """Somebody in the middle cannot have us pass STARTTLS over once we have asked for it."""
    talking = called(STARTTLS, terms).hear(f"<stream:features>{again}</stream:features>")
    assert talking.error == "bad-format"
    assert_nothing_shown(talking)


def test_h_21_external_is_not_used_in_clear_even_where_tls_is_optional() -> None:
    talking = called(MECHANISMS, IN_CLEAR)
    assert b"<auth" not in talking.sent
    assert f"<db:result from='ours.test' to='theirs.test'>{KEYS.key(OUTBOUND, '1')}<".encode() in talking.sent


@pytest.mark.parametrize("heard", [ASSERTED, QUESTION, message()])
def test_h_21_nothing_is_proved_to_us_in_clear(heard: str) -> None:
    talking = talk().hear(header(), heard)
    assert talking.error in ("policy-violation", "not-authorized")
    assert not talking.stream.facts.proofs
    assert b"valid" not in talking.sent


def test_h_21_external_in_clear_is_refused() -> None:
    for terms in (Terms(), IN_CLEAR):
        talking = talk(terms=terms).hear(header(), AUTH)
        assert b"<encryption-required/>" in talking.sent
        assert not talking.stream.facts.proofs


def assert_nothing_shown(talking: Talk) -> None:
    assert b"<auth" not in talking.sent
    assert b"db:result" not in talking.sent
    assert b"db:verify" not in talking.sent
    assert not talking.stream.facts.proofs
