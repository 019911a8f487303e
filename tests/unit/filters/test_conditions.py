"""Conditions: what each asks of a stanza, and what it costs."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, fail, succeed

from gateway.bounds.tables import MOST_CAUSES
from gateway.filters.acquaintances import REMEMBERED_SECONDS, Acquaintances
from gateway.filters.border import MOST_PLANS
from gateway.filters.content import MOST_ELEMENTS, MOST_TEXT, read_content
from gateway.filters.lists import MOST_DIGESTS
from gateway.filters.rules import PayloadName
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.border import BorderHarness
from tests.support.trees import stanza

FROM_TO = "from='eve@evil.test/x' to='room@ours.test'"


def holds(when: str, xml: str, **harness: Any) -> bool:
    """Return whether a rule with these conditions holds for a stanza."""
    border = BorderHarness(f'[[filter]]\nname = "a"\nwhen = {{ {when} }}\nthen = "pass"', **harness)
    border.push(xml)
    return bool(border.border.counts)


@pytest.mark.parametrize(
    ("when", "inner", "expected"),
    [
        ("kind = 'message'", "<message {}/>", True),
        ("kind = ['presence', 'iq']", "<message {}/>", False),
        ("type = 'chat'", "<message {} type='chat'/>", True),
        ("type = 'normal'", "<message {}/>", True),
        ("type = 'normal'", "<message {} type='unknown'/>", True),  # its receiver takes it for one
        ("type = 'chat'", "<message {} type='unknown'/>", False),
        ("type = 'available'", "<presence {}/>", True),
        ("type = 'available'", "<presence {} type='subscribe'/>", False),
        ("larger_than = 50", "<message {}/>", True),
        ("larger_than = 5000", "<message {}/>", False),
        ("payload = 'jabber:x:oob'", "<message {}><x xmlns='jabber:x:oob'/></message>", True),
        ("payload = '{jabber:x:oob}x'", "<message {}><x xmlns='jabber:x:oob'/></message>", True),
        ("payload = '{jabber:x:oob}y'", "<message {}><x xmlns='jabber:x:oob'/></message>", False),
        ("payload = 'jabber:x:oob'", "<message {}><a xmlns='u'><x xmlns='jabber:x:oob'/></a></message>", False),
        ("payload = 'jabber:x:oob'", "<message {}><x xmlns='jabber:x:oo&#98;'/></message>", True),
        ("payload = '{jabber:client}body'", "<message {}><body>a</body></message>", True),
        ("language = 'de'", "<message {} xml:lang='de-AT'/>", True),
        ("language = 'de'", "<message {}><body xml:lang='DE'>a</body></message>", True),
        ("language = 'de'", "<message {} xml:lang='den'/>", False),
        ("from = 'evil.test'", "<message {}/>", True),
        ("from = '*.test'", "<message {}/>", True),
        ("from = '*.evil.test'", "<message {}/>", False),
        ("from = 'eve@evil.test'", "<message {}/>", True),
        ("from = ['bob@evil.test', 'eve@evil.test']", "<message {}/>", True),
        ("from = 'bob@evil.test'", "<message {}/>", False),
        ("to = 'ours.test'", "<message {}/>", True),
        ("to = 'hall@ours.test'", "<message {}/>", False),
    ],
)
def test_what_a_condition_asks(when: str, inner: str, expected: bool) -> None:
    assert holds(when, inner.format(FROM_TO)) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("see https://x.test", True),
        ("WWW.x.test", True),
        ("magnet:?xt=1", True),
        ("&#104;ttps:&#47;/x", True),
        ("<![CDATA[http://x]]>", True),
        ("note: no link", False),
        ("http: //x", False),
        ("ahttp://x", False),
        ("", False),
    ],
)
def test_which_texts_hold_a_web_address(body: str, expected: bool) -> None:
    xml = f"<message {FROM_TO}><body>{body}</body><x xmlns='http://not.a.link/'/></message>"
    assert holds("urls = true", xml) is expected
    assert holds("urls = false", xml) is not expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (["evil.test"], True),
        (["*.test"], True),
        (["eve@evil.test"], True),
        (["bob@evil.test"], False),
        (["63cd7ea42a9e2eaf83bbc0bf1d7b1c5b6bd3d5b2d3d1a58b1bd1a9e5b8a3c111"], False),
        ([], False),
    ],
)
def test_whom_a_list_covers(entries: list[str], expected: bool) -> None:
    assert holds("listed = 'bad'", f"<message {FROM_TO}/>", lists={"bad": entries}) is expected
    assert holds("from = 'list:bad'", f"<message {FROM_TO}/>", lists={"bad": entries}) is expected
    assert holds("to = 'list:bad'", f"<message {FROM_TO}/>", lists={"bad": ["room@ours.test"]})


def test_a_list_may_name_people_and_domains_by_their_digest() -> None:
    for text in ("eve@evil.test", "evil.test"):
        digest = sha256(text.encode()).hexdigest()
        assert holds("listed = 'bad'", f"<message {FROM_TO}/>", lists={"bad": [digest.upper()]})


@pytest.mark.parametrize(
    ("listed", "never", "expected"),
    [
        (["eve@evil.test"], [], True),
        (["eve@evil.test"], ["bob@evil.test"], True),
        (["eve@evil.test", "bob@evil.test"], ["eve@evil.test"], False),
    ],
)
def test_somebody_is_listed_unless_never(listed: list[str], never: list[str], expected: bool) -> None:
    assert holds("listed = 'bad'", f"<message {FROM_TO}/>", lists={"bad": listed}, never=never) is expected


def test_one_of_several_lists_is_enough() -> None:
    lists = {"a": ["bob@evil.test"], "b": ["eve@evil.test"], "c": []}
    assert holds("listed = ['a', 'b', 'c']", f"<message {FROM_TO}/>", lists=lists)
    assert holds("from = ['ann@evil.test', 'list:b']", f"<message {FROM_TO}/>", lists=lists)
    assert not holds("listed = ['a', 'c']", f"<message {FROM_TO}/>", lists=lists)


# -- strangers ---------------------------------------------------------------------------------------------------------

STRANGER = '[[filter]]\nname = "a"\nwhen = { direction = "in", stranger = true }\nthen = "drop"'
IN, OUT = f"<message {FROM_TO} id='in'/>", "<message from='room@ours.test/y' to='eve@evil.test' id='out'/>"


def test_somebody_to_whom_we_have_written_is_no_stranger_for_30_days() -> None:
    border = BorderHarness(STRANGER)
    border.push(IN)
    assert border.heard() == []
    border.push(OUT, IN)
    assert len(border.heard()) == 2
    border.clock.advance(REMEMBERED_SECONDS - 1)
    border.push(IN)
    assert len(border.heard()) == 1
    border.clock.advance(1)
    border.push(IN)
    assert border.heard() == []


@pytest.mark.parametrize("contacts", [None, lambda ours, theirs: ours.local == "hall"])
def test_outwards_a_stranger_is_somebody_to_whom_ours_has_not_written(contacts: Any) -> None:
    text = '[[filter]]\nname = "a"\nwhen = { direction = "out", stranger = true }\nthen = "drop"'
    border = BorderHarness(text, contacts=contacts)
    border.push(OUT)
    assert border.heard() == []
    border.push(OUT.replace("room@", "hall@"))
    assert bool(border.heard()) is (contacts is not None)
    border.push(OUT.replace("<message", "<message type='chat'"))
    assert border.heard() == []  # what was dropped was not written
    border.rule(text.replace("drop", "pass"))
    border.push(OUT)
    border.rule(text)
    border.push(OUT)
    assert len(border.heard()) == 2


@pytest.mark.parametrize(
    "automatic",
    [
        "<message from='room@ours.test' to='eve@evil.test' type='error'/>",
        "<iq from='room@ours.test' to='eve@evil.test' type='result' id='1'/>",
        "<presence from='room@ours.test' to='eve@evil.test' type='unsubscribed'/>",
    ],
)
def test_what_is_sent_by_itself_makes_no_acquaintance(automatic: str) -> None:
    border = BorderHarness(STRANGER)
    border.push(automatic, IN)
    assert [line for line in border.heard() if "room@" in line] == []


@pytest.mark.parametrize(
    ("contact", "passes"), [(True, True), (False, False), (succeed(True), True), (fail(ValueError()), False)]
)
def test_a_contact_of_an_account_is_no_stranger(contact: Any, passes: bool) -> None:
    border = BorderHarness(STRANGER, contacts=lambda ours, theirs: contact)
    border.push(IN)
    assert bool(border.heard()) is passes


def test_while_the_store_is_asked_the_stanza_waits() -> None:
    answer: Deferred[bool] = Deferred()
    border = BorderHarness(STRANGER, contacts=lambda ours, theirs: answer)
    wait = border.push(IN)
    assert wait is not None
    assert border.heard() == []
    answer.callback(True)
    assert len(border.heard()) == 1
    assert wait.called


def test_acquaintances_outlive_the_process() -> None:
    border, later = BorderHarness(STRANGER), BorderHarness(STRANGER)
    border.push(OUT)
    known = border.border.acquaintances
    assert later.border.acquaintances.restore([*known.dump(0), "nonsense\n"], 0) == 1
    later.push(IN)
    assert len(later.heard()) == 1


# -- rates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "senders", "passed"),
    [
        ("5/minute", ["a@evil.test/1", "a@evil.test/2"], 5),
        ("5/minute", ["a@evil.test", "b@evil.test"], 10),
        ("5/minute per domain", ["a@evil.test", "b@evil.test"], 5),
        ("5/minute per pair", ["a@evil.test", "b@also.evil.test"], 10),
        ("300 per hour", ["a@evil.test"], 20),
    ],
)
def test_what_is_beyond_a_rate(rate: str, senders: list[str], passed: int) -> None:
    border = BorderHarness(f'[[filter]]\nname = "a"\nwhen = {{ rate = "{rate}" }}\nthen = "drop"')
    for _ in range(20):
        for sender in senders:
            border.push(f"<message from='{sender}' to='room@ours.test'/>")
    assert len(border.heard()) == passed
    border.clock.advance(12)
    border.push(f"<message from='{senders[0]}' to='room@ours.test'/>")
    assert len(border.heard()) == 1


@pytest.mark.parametrize("before", ["urls = true", "language = 'de'", "type = 'chat'"])
@pytest.mark.parametrize("behind", ["urls = true", "larger_than = 10"])
def test_a_rate_counts_each_stanza_once_whatever_stands_beside_it(before: str, behind: str) -> None:
    rules = [(before, "drop"), ("rate = '5/minute'", "bounce"), (behind, "mark:seen")]
    text = "".join(f'[[filter]]\nname = "{then}"\nwhen = {{ {when} }}\nthen = "{then}"\n' for when, then in rules)
    border = BorderHarness(text)
    for _ in range(8):
        border.push(IN)
    assert len([line for line in border.heard() if "room@" in line]) == 5


def test_a_rate_goes_on_counting_over_a_reload() -> None:
    text = '[[filter]]\nname = "a"\nwhen = { rate = "1/minute" }\nthen = "drop"'
    border = BorderHarness(text)
    border.push(IN)
    border.rule(text)
    border.push(IN)
    assert len(border.heard()) == 1


def test_very_many_senders_take_bounded_memory() -> None:
    """A flood from one domain does not make the gateway forget how much another one has sent."""
    border = BorderHarness('[[filter]]\nname = "a"\nwhen = { rate = "1/minute" }\nthen = "drop"')
    border.push("<message from='a@good.test' to='room@ours.test'/>")
    message = stanza("<message from='a@evil.test' to='room@ours.test'/>")
    for number in range(30_000):
        border.router.route(message.readdressed(to=message.to, from_=Address.make(str(number), "evil.test", "")))
    border.heard()
    border.push("<message from='a@good.test' to='room@ours.test'/>")
    assert border.heard() == []
    (excess,) = border.border._excesses.values()
    assert len(excess._buckets) == 10_000


def test_twenty_thousand_senders_fill_no_table_beyond_its_bound() -> None:
    rules = ["rate = '1/minute'", "direction = 'in', stranger = true, listed = 'bad'"]
    text = "".join(f'[[filter]]\nname = "{at}"\nwhen = {{ {each} }}\nthen = "drop"\n' for at, each in enumerate(rules))
    border = BorderHarness(text, lists={"bad": ["0123456789abcdef" * 4]})
    message = stanza("<message from='a@evil.test' to='room@ours.test'/>")
    assert isinstance(message, AddressedStanza)
    ours, known = message.to, border.border.acquaintances
    lets_through = border.border.lets_through
    for number in range(20_000):
        sender = Address.make(str(number), f"{number % 200}.test", "")
        plan = border.border.plan(sender.domain, ours.domain)
        assert plan is not None
        lets_through(plan, AddressedStanza("message", b"<message/>", ours, sender, None, None))
        known.note(AddressedStanza("message", b"<message/>", sender, ours, None, None), 0)
    border.forget()
    for number in range(MOST_PLANS + 100):
        border.border.plan(Domain(f"{number}.test"), ours.domain)
    assert len(border.border._plans) <= MOST_PLANS
    digests = border.border._digests._known
    assert (len(digests), len(known)) == (MOST_DIGESTS, 20_000)
    assert [len(each._buckets) for each in border.border._excesses.values()] == [MOST_CAUSES]


def test_acquaintances_are_bounded_and_each_of_ours_has_a_share() -> None:
    known = Acquaintances(most=100)
    quiet, busy = (Address.parse(f"{name}@ours.test") for name in ("quiet", "busy"))
    friend = Address.parse("friend@far.test")
    known.note(AddressedStanza("message", b"<message/>", friend, quiet, None, None), 0)
    for number in range(1000):
        known.note(
            AddressedStanza("message", b"<message/>", Address.make(str(number), "far.test", ""), busy, None, None), 0
        )
    assert len(known) == 100
    assert known.know(quiet.bare, friend.bare, 0)


# -- content -----------------------------------------------------------------------------------------------------------


def _trees() -> st.SearchStrategy[Element]:
    names, namespaces = st.sampled_from(["a", "b", "body"]), st.sampled_from(["jabber:client", "u:1", "u:2"])
    texts = st.text("ab <&>'\"\n", max_size=8)
    leaf = st.builds(lambda ns, name, text: Element(ns, name, {}, [text] if text else []), namespaces, names, texts)

    def with_children(inner: st.SearchStrategy[Element]) -> st.SearchStrategy[Element]:
        children = st.lists(inner, max_size=3)
        return st.builds(lambda ns, name, inside: Element(ns, name, {}, inside), namespaces, names, children)

    return st.recursive(leaf, with_children, max_leaves=8)


@given(st.lists(_trees(), max_size=4))
def test_content_is_what_a_tree_says(children: list[Element]) -> None:
    message = Element("jabber:client", "message", {"to": "a@b.test"}, children)
    content = read_content(message.serialize("jabber:client"))

    def text(element: Element) -> str:
        return "".join(each if isinstance(each, str) else text(each) for each in element.children)

    assert content.payloads == {PayloadName(child.namespace, child.name) for child in children}
    assert content.text.replace(" ", "") == text(message).replace(" ", "")


def test_only_so_many_elements_are_looked_at() -> None:
    filler, payload = "<x xmlns='u:1'/>", "<y xmlns='u:2'/>text"
    for many, found in ((MOST_ELEMENTS - 10, True), (MOST_ELEMENTS, False)):
        content = read_content(f"<message>{filler * many}{payload}</message>".encode())
        assert (PayloadName("u:2", "y") in content.payloads) is found
        assert ("text" in content.text) is found


def test_only_so_much_text_is_kept() -> None:
    body = "x" * (2 * MOST_TEXT)
    assert len(read_content(f"<message><body>{body}</body></message>".encode()).text.strip()) == MOST_TEXT
