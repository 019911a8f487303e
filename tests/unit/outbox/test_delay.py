"""Delay stamps."""

from __future__ import annotations

import pytest

from gateway.outbox.delay import PROMPT_SECONDS, delayed, is_late
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import parse_element

ACCEPTED = 1_800_000_000.25
STAMP = b"<delay xmlns='urn:xmpp:delay' from='ours.example' stamp='2027-01-15T08:00:00.250Z'/>"


def stamped(raw: bytes) -> bytes:
    return delayed(raw, Domain("ours.example"), ACCEPTED)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"<message><body>x</body></message>", b"<message><body>x</body>%b</message>"),
        (b"<message id='1'></message >", b"<message id='1'>%b</message >"),
        (b"<message id='a/>b'>/></message>", b"<message id='a/>b'>/>%b</message>"),
        (b"<message><x><![CDATA[</message>]]></x></message>", b"<message><x><![CDATA[</message>]]></x>%b</message>"),
        (b"<presence type='subscribe'/>", b"<presence type='subscribe'>%b</presence>"),
        (b"<presence type='subscribe' />", b"<presence type='subscribe' >%b</presence>"),
        (b"<presence/>", b"<presence>%b</presence>"),
        (b"<s:presence xmlns:s='jabber:client'/>", b"<s:presence xmlns:s='jabber:client'>%b</s:presence>"),
    ],
)
def test_stamp_is_the_last_child_and_all_else_stays(raw: bytes, expected: bytes) -> None:
    assert stamped(raw) == expected % STAMP
    before, after = (parse_element(each, b"<root xmlns='jabber:client'>") for each in (raw, stamped(raw)))
    assert after.children[:-1] == before.children
    assert after.attributes == before.attributes


def test_same_stanza_is_stamped_in_the_same_bytes_whenever_it_is_sent() -> None:
    assert stamped(b"<message/>") == stamped(b"<message/>")


def test_only_what_waited_is_late() -> None:
    assert not is_late(ACCEPTED, ACCEPTED + PROMPT_SECONDS)
    assert is_late(ACCEPTED, ACCEPTED + PROMPT_SECONDS + 0.01)
