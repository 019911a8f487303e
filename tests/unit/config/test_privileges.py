"""`privileges` of a component: what it may do for which domain, and what is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Mistakes, load
from gateway.config.settings import ComponentDomain
from gateway.routing.privileges import Privileges
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder

BRIDGE = """
[domains."im.test"]
serve = "im"
[domains."bridge.im.test"]
serve = "component"
secret = "a secret of some length"
"""


def granted(tmp_path: Path, text: str) -> dict[str, Privileges]:
    settings = load(Folder(tmp_path).complete(BRIDGE + text)).domains[Domain("bridge.im.test")]
    assert isinstance(settings, ComponentDomain)
    return {str(name): privileges for name, privileges in settings.privileges.items()}


def test_none_by_default(tmp_path: Path) -> None:
    assert granted(tmp_path, "") == {}
    assert granted(tmp_path, '[domains."bridge.im.test".privileges."im.test"]') == {"im.test": Privileges()}


def test_each_by_its_key(tmp_path: Path) -> None:
    text = """
[domains."bridge.im.test".privileges."im.test"]
roster = "both"
push = false
message = "outgoing"
presence = "roster"
iq = { "http://jabber.org/protocol/pubsub" = "set" }
"""
    assert granted(tmp_path, text) == {
        "im.test": Privileges(
            roster="both",
            push=False,
            message="outgoing",
            presence="roster",
            iq={"http://jabber.org/protocol/pubsub": "set"},
        )
    }


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("im.test", 'roster = "all"', "'all' is not one of"),
        ("im.test", 'rooster = "get"', "did you mean 'roster'"),
        ("im.test", 'presence = "roster"', 'needs roster = "get" or "both"'),
        ("im.test", 'iq = { "urn:x" = "yes" }', "'yes' is not one of"),
        ("elsewhere.test", 'roster = "get"', "is not one of our domains with accounts"),
        ("bridge.im.test", 'roster = "get"', "is not one of our domains with accounts"),
        ("-", 'roster = "get"', "domain"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(Mistakes) as report:
        granted(tmp_path, f'[domains."bridge.im.test".privileges."{name}"]\n{text}\n')
    assert problem in str(report.value)
    assert "privileges" in str(report.value)
