"""Feature 3.3.2-5: 'version' is answered with version='1.0', higher ones too; no version is answered with none
(RFC 6120 §4.7.5).
"""

from __future__ import annotations

import pytest

from tests.support.talk import IN_CLEAR, Talk, header, talk


def answered(version: str | None) -> Talk:
    return talk(terms=IN_CLEAR).hear(header(version=version))


@pytest.mark.parametrize("version", ["1.0", "1.1", "1.99", "2.0", "10.3", "01.0"])
def test_one_and_more_is_answered_with_one(version: str) -> None:
    sent = answered(version).sent
    assert b" version='1.0' " in sent
    assert b"<stream:features>" in sent


@pytest.mark.parametrize("version", [None, "0.9", "0.0"])
def test_less_than_one_negotiates_nothing_and_is_sent_no_version(version: str | None) -> None:
    talking = answered(version)
    assert talking.error is None
    assert b" version=" not in talking.sent.partition(b"?>")[2]
    assert b"features" not in talking.sent


@pytest.mark.parametrize("version", ["", "1", "one", "1.0 ", "-1.0", "1.0.0"])
def test_what_is_no_version_is_refused(version: str) -> None:
    assert answered(version).error == "unsupported-version"


def test_a_server_without_features_can_still_use_dialback() -> None:
    talking = answered(None).forget().hear("<db:result from='theirs.test' to='ours.test'>key</db:result>")
    assert [type(event).__name__ for event in talking.events] == ["VerifyPair"]


def test_and_starttls_which_it_was_not_offered() -> None:
    talking = talk().hear(header(version=None), "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    assert b"<proceed " in talking.sent
