"""Builder: elements written in Python in the shape of their XML.

>>> e = Builder("jabber:x:data")
>>> e.x(e.field(e.value("Juliet"), var="name"), type="submit").serialize()
b"<x xmlns='jabber:x:data' type='submit'><field var='name'><value>Juliet</value></field></x>"
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import XML


class Builder:
    """Makes the elements of one namespace: `builder.NAME(children, attribute=value)`.

    Children are elements and text; None is left out, as a child and as a value. An attribute that is a word of Python
    has an underscore behind it (`from_`), and `xml_lang` is `xml:lang`. A name that cannot be written in Python is
    given as the first argument of the builder itself: `hints("no-store")`.
    """

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def __call__(self, name: str, /, *children: Element | str | None, **attributes: object) -> Element:
        """Return an element of this name."""
        return Element(
            self.namespace,
            name,
            {_name(key): str(value) for key, value in attributes.items() if value is not None},
            [child for child in children if child is not None],
        )

    def __getattr__(self, name: str) -> Callable[..., Element]:
        if name.startswith("__"):
            raise AttributeError(name)
        return partial(self, name.removesuffix("_"))


def _name(key: str) -> str | tuple[str, str]:
    return (XML, "lang") if key == "xml_lang" else key.removesuffix("_")
