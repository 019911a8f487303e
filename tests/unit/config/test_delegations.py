"""`delegations` of a component: which namespaces it answers for, in place of which domain, and what is a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Mistakes, load
from gateway.config.settings import ComponentDomain
from gateway.routing.delegations import DISCO_INFO_AT_NODES, DISCO_ITEMS_OF_ACCOUNTS, Delegated
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder

BRIDGES = """
[domains."im.test"]
serve = "im"
[domains."other.im.test"]
serve = "component"
secret = "a secret of some length"
[domains."other.im.test".delegations."im.test"]
namespaces = { "urn:taken" = [] }
[domains."bridge.im.test"]
serve = "component"
secret = "a secret of some length"
"""


def delegated(tmp_path: Path, text: str) -> dict[str, Delegated]:
    settings = load(Folder(tmp_path).complete(BRIDGES + text)).domains[Domain("bridge.im.test")]
    assert isinstance(settings, ComponentDomain)
    return {str(name): {**each} for name, each in settings.delegations.items()}


def test_none_by_default(tmp_path: Path) -> None:
    assert delegated(tmp_path, "") == {}


def test_namespaces_with_their_attributes(tmp_path: Path) -> None:
    text = f"""
[domains."bridge.im.test".delegations."im.test"]
namespaces = {{ "urn:xmpp:mam:2" = ["node"], "urn:x" = [], "{DISCO_INFO_AT_NODES}" = [] }}
"""
    assert delegated(tmp_path, text) == {"im.test": {"urn:xmpp:mam:2": ("node",), "urn:x": (), DISCO_INFO_AT_NODES: ()}}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("im.test", "", "namespaces: is needed"),
        ("im.test", "namespace = 1", "did you mean 'namespaces'"),
        ("im.test", 'namespaces = ["urn:x"]', "a table is needed"),
        ("im.test", 'namespaces = { "urn:x" = "node" }', "a list of names of attributes is needed"),
        ("im.test", 'namespaces = { "urn:x" = [1] }', "a list of names of attributes is needed"),
        ("im.test", 'namespaces = { "urn:x" = [""] }', "a list of names of attributes is needed"),
        ("im.test", 'namespaces = { "" = [] }', "a namespace is needed"),
        ("im.test", 'namespaces = { "urn:xmpp:delegation:2" = [] }', "cannot be delegated"),
        ("im.test", 'namespaces = { "urn:xmpp:delegation:2:bare:disco#info" = [] }', DISCO_ITEMS_OF_ACCOUNTS),
        ("im.test", 'namespaces = { "urn:taken" = [] }', "is already delegated to other.im.test"),
        ("elsewhere.test", 'namespaces = { "urn:x" = [] }', "is not one of our domains with accounts"),
        ("other.im.test", 'namespaces = { "urn:x" = [] }', "is not one of our domains with accounts"),
        ("-", 'namespaces = { "urn:x" = [] }', "domain"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(Mistakes) as report:
        delegated(tmp_path, f'[domains."bridge.im.test".delegations."{name}"]\n{text}\n')
    assert problem in str(report.value)
    assert "delegations" in str(report.value)
