"""Which stanzas are kept: the table, and the short way through the bytes against a tree."""

from __future__ import annotations

from unittest.mock import patch
from xml.etree import ElementTree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.outbox.retention import RULES, Keep, keeping, keeps_all, key_of, rule
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import TYPES, Stanza

HINTS = "urn:xmpp:hints"
STATES = "http://jabber.org/protocol/chatstates"


def stanza(
    name: str,
    type_: str | None,
    content: str = "<body>hello</body>",
    from_: str = "a@ours.example/r",
    to: str = "b@far.example",
) -> Stanza:
    attribute = "" if type_ is None else f" type='{type_}'"
    raw = f"<{name} from='{from_}' to='{to}'{attribute}>{content}</{name}>".encode()
    return Stanza(name, raw, Address.parse(to), Address.parse(from_), type_, None)


def test_table_has_a_row_for_every_type_that_there_is() -> None:
    assert {name: set(rows) - {None} for name, rows in RULES.items()} == {
        name: set(kinds) for name, kinds in TYPES.items()
    }
    assert None in RULES["presence"]
    assert all(row.reason for rows in RULES.values() for row in rows.values())


@pytest.mark.parametrize(
    ("name", "type_", "keep"),
    [
        ("message", None, Keep.YES),
        ("message", "normal", Keep.YES),
        ("message", "chat", Keep.YES),
        ("message", "of-another-age", Keep.YES),
        ("message", "groupchat", Keep.NO),
        ("message", "headline", Keep.NO),
        ("message", "error", Keep.NO),
        ("presence", None, Keep.NO),
        ("presence", "unavailable", Keep.NO),
        ("presence", "probe", Keep.NO),
        ("presence", "error", Keep.NO),
        ("presence", "of-another-age", Keep.NO),
        ("presence", "subscribe", Keep.NEWEST),
        ("presence", "subscribed", Keep.NEWEST),
        ("presence", "unsubscribe", Keep.NEWEST),
        ("presence", "unsubscribed", Keep.NEWEST),
        ("iq", "get", Keep.NO),
        ("iq", "set", Keep.NO),
        ("iq", "result", Keep.NO),
        ("iq", "error", Keep.NO),
        ("iq", None, Keep.NO),
    ],
)
def test_what_is_kept_by_name_and_type(name: str, type_: str | None, keep: Keep) -> None:
    assert keeping(stanza(name, type_)) is keep
    assert rule(stanza(name, type_)).keep is (Keep.BY_CONTENT if keep is Keep.YES else keep)


@pytest.mark.parametrize(
    ("content", "keep"),
    [
        ("", Keep.NO),
        ("nothing but text", Keep.NO),
        ("<thread>t</thread>", Keep.NO),
        (f"<composing xmlns='{STATES}'/>", Keep.NO),
        (f"<paused xmlns='{STATES}'/><thread>t</thread>", Keep.NO),
        (f"<active xmlns='{STATES}'/><body>hello</body>", Keep.YES),
        (f"<body>hello</body><active xmlns='{STATES}'/>", Keep.YES),
        ("<subject>tea</subject>", Keep.YES),
        ("<received xmlns='urn:xmpp:receipts' id='1'/>", Keep.YES),
        ("<encrypted xmlns='eu.siacs.conversations.axolotl'/>", Keep.YES),
        (f"<encrypted xmlns='eu.siacs.conversations.axolotl'/><store xmlns='{HINTS}'/>", Keep.YES),
        (f"<composing xmlns='{STATES}'/><store xmlns='{HINTS}'/>", Keep.YES),
        (f"<body>hello</body><no-store xmlns='{HINTS}'/>", Keep.NO),
        (f"<body>hello</body><no-store xmlns='{HINTS}'/><store xmlns='{HINTS}'/>", Keep.NO),
        (f"<body>hello</body><no-permanent-store xmlns='{HINTS}'/>", Keep.YES),
        (f"<body>hello</body><no-copy xmlns='{HINTS}'/>", Keep.YES),
        (f"<no-copy xmlns='{HINTS}'/>", Keep.NO),
        ("<body>please set no-store</body>", Keep.YES),
        ("<no-store xmlns='urn:another'/>", Keep.YES),
        (f"<body>x</body><h:no-store xmlns:h='{HINTS}'/>", Keep.NO),
        ("<body>x</body><no-store xmlns='urn:xmpp:&#104;ints'/>", Keep.NO),
        ("<composing xmlns='http://jabber.org/protocol/&#99;hatstates'/>", Keep.NO),
        (f"<x xmlns='urn:x'><no-store xmlns='{HINTS}'/></x>", Keep.YES),
    ],
)
def test_what_is_kept_by_content(content: str, keep: Keep) -> None:
    assert keeping(stanza("message", "chat", content)) is keep


def test_no_tree_is_built_for_nearly_all_messages() -> None:
    usual = [
        "<body>hello &amp; good bye</body>",
        f"<body>hello</body><active xmlns='{STATES}'/>",
        f"<body>sealed</body><encrypted xmlns='urn:xmpp:omemo:2'/><store xmlns='{HINTS}'/>",
        "<encrypted xmlns='urn:xmpp:omemo:2'/>",
        f"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted><store xmlns='{HINTS}'/>",
        f'<encrypted xmlns="urn:xmpp:omemo:2"/><active xmlns="{STATES}"/>',
        "<received xmlns='urn:xmpp:receipts' id='1'/>",
        "\n <body>hello</body>",
    ]
    with patch("gateway.xmpp.stanzas.parse_element", side_effect=AssertionError("a tree was built")):
        assert [keeping(stanza("message", "chat", content)) for content in usual] == [Keep.YES] * len(usual)
        for name, type_ in (("presence", None), ("presence", "subscribe"), ("iq", "get"), ("message", "groupchat")):
            keeping(stanza(name, type_))


def test_many_are_kept_when_each_of_them_is() -> None:
    usual, hint, not_kept = (
        stanza("message", "chat", content)
        for content in ("<body>hello</body>", f"<body>hello</body><no-store xmlns='{HINTS}'/>", "")
    )
    quoted = stanza("message", "chat", "<body>no-store</body>")
    assert keeps_all([usual, quoted, stanza("message", None), stanza("message", "of-another-age")])
    for other in (hint, not_kept, stanza("presence", "subscribe"), stanza("presence", None), stanza("iq", "get")):
        assert not keeps_all([usual, other, usual])
    assert not keeps_all([stanza("iq", None)])


def oracle(raw: str) -> Keep:
    """Say the same by another parser and the words of the specification."""
    children = list(ElementTree.fromstring(f"<stream xmlns='jabber:client'>{raw}</stream>")[0])
    tags = [child.tag for child in children]
    if f"{{{HINTS}}}no-store" in tags:
        return Keep.NO
    if f"{{{HINTS}}}store" in tags:
        return Keep.YES
    rest = [tag for tag in tags if not tag.startswith((f"{{{HINTS}}}", f"{{{STATES}}}"))]
    return Keep.YES if set(rest) - {"{jabber:client}thread"} else Keep.NO


spelled = st.sampled_from(
    [HINTS, "urn:xmpp:&#x68;ints", STATES, STATES.replace("c", "&#99;", 1), "urn:x", "jabber:client"]
)
names = st.sampled_from(
    [
        "body",
        "thread",
        "threads",
        "store",
        "no-store",
        "no-copy",
        "no-permanent-store",
        "active",
        "encrypted",
        "bodyguard",
    ]
)
texts = st.sampled_from(["", "text", "no-store", "&#33;", "&lt;body>", "<![CDATA[<body>]]>", HINTS, STATES, "\n"])


@st.composite
def elements(draw: st.DrawFn, depth: int = 0) -> str:
    name, namespace = draw(names), draw(st.none() | spelled)
    quote = draw(st.sampled_from("'\""))
    form = draw(st.integers(0, 3))
    if namespace is None:
        head = foot = name
    elif form == 0:
        head, foot = f"p:{name} xmlns:p={quote}{namespace}{quote}", f"p:{name}"
    else:
        head, foot = f"{name} xmlns={quote}{namespace}{quote}", name
    content = draw(texts)
    if depth < 2 and draw(st.booleans()):
        content += "".join(draw(st.lists(elements(depth + 1), max_size=2)))
    space = draw(st.sampled_from(["", " ", "\n"]))
    attribute = draw(st.sampled_from(["", " id='a>b'", ' x="<body>"'.replace("<", "&lt;")]))
    return f"<{head}{attribute}{space}>{content}</{foot}{space}>" if content else f"<{head}{attribute}{space}/>"


@settings(deadline=None, max_examples=400)
@given(st.lists(texts | elements(), max_size=4), st.sampled_from(["", " id='x'", "\n xml:lang='en' id='a/>b'"]))
@example([f"<active xmlns='{STATES}'><body>nested</body></active>"], "")
def test_bytes_and_tree_agree(parts: list[str], attributes: str) -> None:
    raw = f"<message{attributes}>{''.join(parts)}</message>"
    message = Stanza("message", raw.encode(), None, None, "chat", None)
    assert keeping(message) is oracle(raw), raw
    assert keeps_all([message]) is (oracle(raw) is Keep.YES), raw


def subscription(type_: str, from_: str = "a@ours.example", to: str = "b@far.example") -> bytes:
    return key_of(stanza("presence", type_, "", from_, to))


def test_newer_presence_replaces_an_older_one_of_the_same_two_people_and_direction() -> None:
    assert subscription("subscribe") == subscription("unsubscribe")
    assert subscription("subscribed") == subscription("unsubscribed")
    assert subscription("subscribe") == subscription("subscribe", "a@ours.example/other", "b@far.example/r")


def test_request_and_answer_and_other_people_are_apart() -> None:
    keys = [
        subscription("subscribe"),
        subscription("subscribed"),
        subscription("subscribe", "c@ours.example"),
        subscription("subscribe", to="c@far.example"),
        subscription("subscribe", "b@far.example", "a@ours.example"),
    ]
    assert len(set(keys)) == len(keys)
    assert b"ours.example" not in b"".join(keys)
