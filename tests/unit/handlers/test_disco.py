"""Service discovery: what a domain says about itself (XEP-0030, XEP-0157)."""

from __future__ import annotations

import pytest

from gateway.handlers.disco import Disco
from gateway.handlers.ping import Ping
from gateway.handlers.version import Version
from gateway.routing.interfaces import Declined, Handled, Refused
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition
from gateway.xmpp.namespaces import DATA_FORMS, DISCO_INFO, DISCO_ITEMS, PING, SERVER_INFO, VERSION
from tests.support.trees import stanza

QUERY = "<iq type='{kind}' id='1' from='a@far.test/r' to='service.test'><query xmlns='{namespace}' {node}/></iq>"
DISCO = Disco(
    [Ping(), Version(), object()],
    identities=[("server", "im", "xmpp-gateway")],
    items=lambda: {"echo.test": "Echo", "quiet.test": ""},
    contacts=lambda: {"admin": ["mailto:admin@service.test", "xmpp:admin@service.test"]},
)


def ask(namespace: str, disco: Disco = DISCO) -> Element:
    """The query in the answer."""
    answer = disco.handle(stanza(QUERY.format(kind="get", namespace=namespace, node="")))
    assert isinstance(answer, Handled)
    (reply,) = answer.replies
    assert (reply.type, reply.id, str(reply.from_), str(reply.to)) == ("result", "1", "service.test", "a@far.test/r")
    query = reply.element.first(namespace, "query")
    assert query is not None
    return query


def test_info_lists_identities_and_features_of_all_handlers() -> None:
    query = ask(DISCO_INFO)
    identities = [
        (each.get("category"), each.get("type"), each.get("name")) for each in query.elements(name="identity")
    ]
    assert identities == [("server", "im", "xmpp-gateway")]
    features = [each.get("var") for each in query.elements(name="feature")]
    assert features == sorted([DISCO_INFO, DISCO_ITEMS, PING, VERSION])


def test_info_has_the_contact_addresses() -> None:
    form = ask(DISCO_INFO).first(DATA_FORMS, "x")
    assert form is not None
    fields = {
        field.get("var"): (field.get("type"), [value.text for value in field.elements(name="value")])
        for field in form.elements(name="field")
    }
    assert fields == {
        "FORM_TYPE": ("hidden", [SERVER_INFO]),
        "admin-addresses": ("list-multi", ["mailto:admin@service.test", "xmpp:admin@service.test"]),
    }
    assert form.get("type") == "result"


def test_there_is_no_form_without_contacts() -> None:
    assert ask(DISCO_INFO, Disco([])).first(DATA_FORMS, "x") is None


def test_items_are_those_that_it_was_given() -> None:
    items = [(item.get("jid"), item.get("name")) for item in ask(DISCO_ITEMS).elements(name="item")]
    assert items == [("echo.test", "Echo"), ("quiet.test", None)]


@pytest.mark.parametrize("namespace", [DISCO_INFO, DISCO_ITEMS])
def test_there_are_no_nodes(namespace: str) -> None:
    answer = DISCO.handle(stanza(QUERY.format(kind="get", namespace=namespace, node="node='a'")))
    assert isinstance(answer, Refused)
    assert answer.error.condition is StanzaCondition.ITEM_NOT_FOUND


@pytest.mark.parametrize(
    "text",
    [
        QUERY.format(kind="set", namespace=DISCO_INFO, node=""),
        QUERY.format(kind="get", namespace=VERSION, node=""),
        "<iq type='result' id='1' from='a@far.test' to='service.test'/>",
        "<message from='a@far.test' to='service.test'/>",
    ],
)
def test_everything_else_is_declined(text: str) -> None:
    assert DISCO.handle(stanza(text)) == Declined()


def test_every_kind_of_contact_has_its_field() -> None:
    disco = Disco([], contacts=lambda: {"admin": (), "security": ["mailto:s@a.test"], "abuse": ["mailto:a@a.test"]})
    form = ask(DISCO_INFO, disco).first(DATA_FORMS, "x")
    assert form is not None
    names = [field.get("var") for field in form.elements(name="field")]
    assert names == ["FORM_TYPE", "abuse-addresses", "security-addresses"]
