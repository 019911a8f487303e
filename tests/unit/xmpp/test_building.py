"""Elements that are written in Python."""

from __future__ import annotations

import copy
import doctest

import pytest

from gateway.xmpp import building
from gateway.xmpp.addresses import Address
from gateway.xmpp.building import Builder
from gateway.xmpp.elements import Element
from tests.support.trees import element

CLIENT = Builder("jabber:client")
HINTS = Builder("urn:xmpp:hints")


def test_the_example_is_true() -> None:
    assert doctest.testmod(building).failed == 0


@pytest.mark.parametrize(
    ("built", "xml"),
    [
        (CLIENT.message(), "<message/>"),
        (CLIENT.body("one ", "two"), "<body>one two</body>"),
        (CLIENT.body("Hallo", xml_lang="de"), "<body xml:lang='de'>Hallo</body>"),
        (CLIENT.iq(from_="a.test", to=Address.parse("b.test/x"), id=None), "<iq from='a.test' to='b.test/x'/>"),
        (CLIENT.message(None, HINTS("no-store")), "<message><no-store xmlns='urn:xmpp:hints'/></message>"),
        (CLIENT.from_(), "<from/>"),
        (CLIENT("name", name="x"), "<name name='x'/>"),
    ],
)
def test_an_element_is_what_its_xml_says(built: Element, xml: str) -> None:
    assert built == element(xml)


def test_a_builder_has_no_special_methods_but_its_own() -> None:
    assert copy.copy(CLIENT).namespace == "jabber:client"
