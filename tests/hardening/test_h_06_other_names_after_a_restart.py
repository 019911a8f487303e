"""H-06: another 'to' or 'from' after a stream was restarted: closed, and no rights are carried (CVE-2018-10847)."""

from __future__ import annotations

import pytest

from gateway.stream.facts import Role
from tests.support.talk import FEATURES, Talk, header, message, secured, talk, under_tls

STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
OFFER = (
    "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
    "</stream:features>"
)
OTHER = [
    (header("evil.test"), "invalid-from"),
    (header("sub.theirs.test"), "invalid-from"),
    (header("u@theirs.test"), "invalid-from"),
    (header(None), "invalid-from"),
    (header(to="more.ours.test"), "host-unknown"),
    (header(to=None), "host-unknown"),
    (header("evil.test", "more.ours.test"), "invalid-from"),
]


def after_tls() -> Talk:
    return talk().hear(header(), STARTTLS).answer(secured())


def after_sasl() -> Talk:
    return under_tls().hear(header(), AUTH)


@pytest.mark.parametrize("restart", [after_tls, after_sasl])
@pytest.mark.parametrize(("second", "condition"), OTHER)
def test_h_06_others_cannot_go_on_with_it(restart, second: str, condition: str) -> None:
    talking = restart().hear(second, AUTH, message())
    assert talking.error == condition
    assert talking.is_closed
    assert message().encode() not in talking.said


@pytest.mark.parametrize("restart", [after_tls, after_sasl])
def test_h_06_the_same_in_another_spelling_can(restart) -> None:
    assert restart().hear(header("THEIRS.test.", "OURS.test")).error is None


@pytest.mark.parametrize(("second", "condition"), OTHER)
def test_h_06_nor_can_a_server_that_we_called_become_another(second: str, condition: str) -> None:
    talking = under_tls(Role.INITIATING).open().hear(header(id_="1"), OFFER, SUCCESS, second, FEATURES)
    assert talking.error == condition
    assert not talking.stream.is_established
