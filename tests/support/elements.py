"""Trees of every shape that XML and its namespaces allow, for properties."""

from __future__ import annotations

from hypothesis import strategies as st

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CLIENT, DIALBACK, SERVER, STREAMS, XML

NAMESPACES = (SERVER, CLIENT, DIALBACK, STREAMS, "urn:x", "urn:a'b<c>&d", "http://bücher.example/")

# All that XML 1.0 can hold, with what is special to it more often than chance would have it.
xml_text = st.text(
    st.characters(
        exclude_categories=["Cs"],
        exclude_characters="".join(map(chr, {*range(32)} - {9, 10, 13})) + "\ufffe\uffff",
    )
    | st.sampled_from("<>&'\"\r\n\t]]>\u0085\u2028"),
    max_size=20,
)
names = st.sampled_from(["a", "message", "iq", "lang", "x-1", "ns0", "größe", "_", "xmlnsx"])
namespaces = st.sampled_from([*NAMESPACES, ""])
attribute_names = names | st.tuples(st.sampled_from([*NAMESPACES, XML]), names)


def _element(children: st.SearchStrategy[Element | str]) -> st.SearchStrategy[Element]:
    return st.builds(
        Element,
        namespaces | st.just(XML),
        names,
        st.dictionaries(attribute_names, xml_text, max_size=3),
        st.lists(children, max_size=4),
    )


elements = st.recursive(_element(xml_text), lambda inner: _element(inner | xml_text), max_leaves=12)
