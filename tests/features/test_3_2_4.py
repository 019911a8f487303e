"""Feature 3.2-4: there is a default namespace other than the streams namespace, and content has no prefix
(RFC 6120 §4.8.2, §4.8.3).
"""

from __future__ import annotations

import re

import pytest

from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.talk import header, message, proved, talk, under_tls


def test_our_default_namespace_is_that_of_the_content() -> None:
    assert b" xmlns='jabber:server' " in talk().hear(header()).sent


@pytest.mark.parametrize(
    "declared", ["", "xmlns=''", "xmlns='http://etherx.jabber.org/streams'", "xmlns='urn:x'", "xmlns='jabber:client'"]
)
def test_another_default_namespace_is_refused(declared: str) -> None:
    talking = under_tls().hear(header().replace("xmlns='jabber:server'", declared))
    assert talking.error == "invalid-namespace"
    assert talking.is_closed


def test_stanzas_with_a_prefix_are_taken_and_lose_it() -> None:
    prefixed = (
        "<s:message xmlns:s='jabber:server' from='a@theirs.test/r' to='b@ours.test'><s:body>hi</s:body></s:message>"
    )
    assert proved().hear(prefixed).events == [message().encode()]


def test_what_we_send_between_servers_has_only_the_prefixes_that_our_header_declares() -> None:
    sent = under_tls().hear(header(), "<db:verify from='theirs.test' to='ours.test' id='1'>k</db:verify>")
    written = sent.close(StreamError(StreamCondition.RESET)).sent
    assert set(re.findall(rb"</?(\w+):", written)) == {b"stream", b"db"}
    assert b" xmlns:db='jabber:server:dialback'" in written
