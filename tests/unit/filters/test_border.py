"""Border: which stanzas pass, how the others end, and that order holds while one of them is being judged."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher
from zope.interface import implementer

from gateway.filters.border import JUDGE_SECONDS, MOST_BEHIND
from gateway.filters.interfaces import FilterFunction, IFilter, Opinion
from gateway.filters.lists import read_entry
from gateway.filters.rules import Act, Decision
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import ConfigError
from gateway.xmpp.stanzas import Stanza
from tests.support.border import BorderHarness

LINK = "<message from='eve@evil.test/x' to='room@ours.test' id='{}'><body>see https://spam.test/</body></message>"
PLAIN = "<message from='eve@evil.test/x' to='room@ours.test' id='{}'><body>hello</body></message>"


def rule(when: str, then: str, name: str = "a rule", more: str = "") -> str:
    return f'[[filter]]\nname = "{name}"\nwhen = {{ {when} }}\nthen = "{then}"\n{more}\n'


def test_without_rules_nothing_is_looked_at() -> None:
    border = BorderHarness()
    border.push(LINK.format(1))
    assert border.heard() == ["message - 1 to room@ours.test"]
    assert border.audit == []


def test_the_first_rule_that_holds_decides() -> None:
    border = BorderHarness(rule("urls = true", "pass", "first") + rule("kind = 'message'", "drop", "second"))
    border.push(LINK.format(1), PLAIN.format(2))
    assert border.heard() == ["message - 1 to room@ours.test"]
    assert border.ends == ["message dropped: filter"]
    assert border.border.counts == {("first", "pass"): 1, ("second", "drop"): 1}


def test_a_batch_and_a_single_stanza_go_the_same_way() -> None:
    border = BorderHarness(rule("urls = true", "drop"))
    border.push_all(PLAIN.format(1), LINK.format(2), PLAIN.format(3))
    assert border.heard() == ["message - 1 to room@ours.test", "message - 3 to room@ours.test"]


def test_all_conditions_of_a_rule_must_hold() -> None:
    border = BorderHarness(rule("urls = true, larger_than = 1000", "drop"))
    border.push(LINK.format(1))
    assert len(border.heard()) == 1


def test_a_rule_on_trial_only_takes_note() -> None:
    border = BorderHarness(rule("urls = true", "drop", more="dry_run = true"))
    border.push(LINK.format(1))
    assert len(border.heard()) == 1
    assert border.border.counts == {("a rule", "dry_run"): 1}
    assert "would have been: drop" in border.audit[0]


def test_marks_are_there_for_the_rules_behind() -> None:
    border = BorderHarness(
        rule("urls = true", "mark:link", "first") + rule("marked = 'link', larger_than = 200", "drop", "second")
    )
    border.push(LINK.format(1), LINK.format(2 * "x" * 100), PLAIN.format("y" * 200))
    assert [line.split()[2][:1] for line in border.heard()] == ["1", "y"]


def test_a_report_is_made_and_the_stanza_goes_on() -> None:
    border = BorderHarness(rule("urls = true", "report"))
    border.push(LINK.format(1))
    assert border.reported == ["a rule: eve@evil.test/x"]
    assert len(border.heard()) == 1


def test_a_bounce_names_its_condition_and_no_rule() -> None:
    border = BorderHarness(rule("urls = true", "bounce:not-acceptable", "secret rule"))
    seen: list[bytes] = []
    border.router._deliver = lambda stanza: seen.append(stanza.raw)  # type: ignore[method-assign]
    border.push(LINK.format(1))
    assert border.ends == ["message bounced: not-acceptable"]
    (answer,) = seen
    assert b"<not-acceptable" in answer
    assert b"secret" not in answer
    assert b"filter" not in answer


def test_what_cannot_be_held_is_bounced() -> None:
    border = BorderHarness(rule("urls = true", "hold"))
    border.push(LINK.format(1))
    assert border.held == ["message 1: a rule"]
    assert border.ends == []
    border.has_room = False
    border.push(LINK.format(2))
    assert border.ends == ["message bounced: service-unavailable"]


def test_rules_between_our_own_domains_must_say_so() -> None:
    inside = "<message from='a@ours.test/x' to='b@also.test' id='1'/>"
    border = BorderHarness(rule("kind = 'message'", "drop"))
    border.push(inside)
    assert len(border.heard()) == 1
    border.rule(rule("direction = 'inside', kind = 'message'", "drop"))
    border.push(inside)
    assert border.heard() == []


@pytest.mark.parametrize(
    ("direction", "passes"), [("in", [False, True]), ("out", [True, False]), (["in", "out"], [False, False])]
)
def test_directions(direction: object, passes: list[bool]) -> None:
    border = BorderHarness(rule(f"direction = {direction!r}, kind = 'message'", "drop"))
    ways = []
    for text in (PLAIN.format(1), "<message from='room@ours.test' to='eve@evil.test/x' id='1'/>"):
        border.push(text)
        ways.append(bool(border.heard()))
    assert ways == passes


def test_the_audit_shows_no_content() -> None:
    border = BorderHarness(rule("urls = true", "drop"))
    border.push(LINK.format(1))
    (sentence,) = border.audit
    assert "spam.test" not in sentence
    assert all(part in sentence for part in ("'a rule'", "eve@evil.test/x", "room@ours.test", "'1'", "bytes", "sha256"))


def test_a_rule_that_is_gone_decides_nothing() -> None:
    border = BorderHarness(rule("urls = true", "drop"))
    border.push(LINK.format(1))
    border.rule("")
    border.push(LINK.format(2))
    assert border.heard() == ["message - 2 to room@ours.test"]


# -- filters in Python -------------------------------------------------------------------------------------------------


@implementer(IFilter)
class Asks:
    """A filter that answers when the test says so."""

    waiting: list[Deferred[Opinion]]

    def __init__(self) -> None:
        Asks.waiting = []

    def plan(self, pair: DomainPair) -> FilterFunction | None:
        return self.judge if pair.sender == "evil.test" else None

    def judge(self, stanza: Stanza) -> Opinion | Deferred[Opinion]:
        if stanza.id == "fails":
            raise ValueError("of an operator's code")
        if stanza.id == "now":
            return Decision(act=Act.DROP)
        if stanza.id == "none":
            return None
        Asks.waiting.append(Deferred())
        return Asks.waiting[-1]


ASK = rule("kind = 'message'", f"{__name__}.Asks")
PASS, DROP = Decision(act=Act.PASS), Decision(act=Act.DROP)


def test_a_filter_may_answer_at_once_or_have_no_opinion() -> None:
    border = BorderHarness(ASK)
    border.push(PLAIN.format("now"), PLAIN.format("none"))
    assert border.heard() == ["message - none to room@ours.test"]


def test_what_comes_behind_waits_in_order_and_so_does_its_sender() -> None:
    border = BorderHarness(ASK)
    wait = border.push_all(*map(PLAIN.format, ("1", "now", "2", "3")))
    assert border.heard() == []
    assert wait is not None
    Asks.waiting[0].callback(PASS)
    assert border.heard() == ["message - 1 to room@ours.test"]
    Asks.waiting[1].callback(DROP)
    assert border.heard() == []
    assert not wait.called
    Asks.waiting[2].callback(PASS)
    assert border.heard() == ["message - 3 to room@ours.test"]
    assert wait.called


def test_other_pairs_do_not_wait() -> None:
    border = BorderHarness(ASK)
    border.push(PLAIN.format("1"))
    assert border.push(PLAIN.format("2").replace("evil.test", "good.test")) is None
    assert border.heard() == ["message - 2 to room@ours.test"]


def test_a_stanza_may_wait_for_one_answer_after_another() -> None:
    answer: Deferred[bool] = Deferred()
    border = BorderHarness(rule("stranger = true", f"{__name__}.Asks"), contacts=lambda ours, theirs: answer)
    border.push(PLAIN.format("1"), PLAIN.format("none").replace("eve@", "bob@"))
    answer.callback(False)
    assert border.heard() == []
    Asks.waiting[0].callback(PASS)
    assert border.heard() == ["message - 1 to room@ours.test", "message - none to room@ours.test"]


@implementer(IFilter)
class Broken:
    """A filter that cannot be made."""

    def __init__(self) -> None:
        raise ValueError("of an operator's code")

    def plan(self, pair: DomainPair) -> FilterFunction | None: ...


def test_a_filter_that_cannot_be_made_is_named() -> None:
    with pytest.raises(ConfigError, match=r"filter.a rule.options.*Broken cannot be created: ValueError: of an oper"):
        BorderHarness(rule("", f"{__name__}.Broken"))


@pytest.mark.parametrize(("on_timeout", "passes"), [("pass", True), ("bounce", False)])
def test_a_filter_that_does_not_answer_or_fails_is_not_waited_for(on_timeout: str, passes: bool) -> None:
    border = BorderHarness(ASK + f'on_timeout = "{on_timeout}"')
    told: list[object] = []
    globalLogPublisher.addObserver(told.append)  # type: ignore[arg-type]
    try:
        border.push(PLAIN.format("1"))
        border.clock.advance(JUDGE_SECONDS)
        border.push(PLAIN.format("fails"))
    finally:
        globalLogPublisher.removeObserver(told.append)  # type: ignore[arg-type]
    assert [line for line in border.heard() if "room@" in line] == passes * [
        "message - 1 to room@ours.test",
        "message - fails to room@ours.test",
    ]
    assert len(told) == 2


def test_an_update_of_a_block_list_behind_a_stanza_that_is_judged_is_taken_and_not_judged() -> None:
    taken = []

    def take(stanza: Stanza) -> bool:
        if stanza.id == "update":
            taken.append(stanza)
        return stanza.id == "update"

    border = BorderHarness(ASK, lists={"bad": []}, services={"bad": Domain("evil.test")}, taken=take)
    border.push_all(*map(PLAIN.format, ("1", "update", "none")))
    Asks.waiting[0].callback(PASS)
    assert border.heard() == ["message - 1 to room@ours.test", "message - none to room@ours.test"]
    assert len(taken) == len(Asks.waiting) == 1


def test_only_so_many_stanzas_wait_behind_one() -> None:
    border = BorderHarness(ASK)
    border.push_all(PLAIN.format("1"), *[PLAIN.format("none")] * (MOST_BEHIND + 5))
    assert border.ends == ["message bounced: resource-constraint"] * 5
    Asks.waiting[0].callback(PASS)
    assert len([line for line in border.heard() if "room@" in line]) == MOST_BEHIND + 1


# -- the gate ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shut"),
    [
        (rule("direction = 'in', from = 'evil.test'", "drop"), True),
        (rule("from = '*.evil.test'", "drop"), False),
        (rule("from = '*.test'", "bounce:policy-violation"), True),
        (rule("from = 'eve@evil.test'", "drop"), False),
        (rule("listed = 'bad'", "drop"), True),
        (rule("from = 'list:bad'", "drop"), True),
        (rule("from = 'evil.test', kind = 'message'", "drop"), False),
        (rule("from = 'evil.test', larger_than = 1", "drop"), False),
        (rule("from = 'evil.test', to = 'ours.test'", "drop"), False),
        (rule("from = 'evil.test'", "hold"), False),
        (rule("direction = 'out', from = 'evil.test'", "drop"), False),
        (rule("from = 'evil.test'", "drop", more="dry_run = true"), False),
        (rule("kind = 'presence'", "pass", "1") + rule("from = 'evil.test'", "drop", "2"), False),
        (rule("kind = 'presence'", "mark:m", "1") + rule("from = 'evil.test'", "drop", "2"), True),
        (rule("from = 'good.test'", "pass", "1") + rule("from = 'evil.test'", "drop", "2"), True),
    ],
)
def test_a_domain_is_shut_out_when_nothing_from_it_is_wanted(text: str, shut: bool) -> None:
    border = BorderHarness(text, lists={"bad": ["evil.test"]})

    assert (border.border.shut_out_by(Domain("evil.test")) is not None) is shut


@pytest.mark.parametrize(
    "friend", ["friend@evil.test", "c8ee9d2ba0e0d1dfeb2e55e3f5b37a1a7b7d0aeb0b3c8f7e0b0f2b9bcb3d7e55", "evil.test"]
)
def test_a_domain_is_not_shut_out_while_somebody_in_it_is_never_listed(friend: str) -> None:
    border = BorderHarness(
        rule("listed = 'bad'", "drop"), lists={"bad": ["evil.test"]}, never=map(read_entry, [friend])
    )
    assert border.border.shut_out_by(Domain("evil.test")) is None


def test_somebody_in_a_listed_domain_may_never_be_listed() -> None:
    border = BorderHarness(rule("listed = 'bad'", "drop"), lists={"bad": ["evil.test"]}, never=["friend@evil.test"])
    border.push(PLAIN.format(1), PLAIN.format(2).replace("eve@", "friend@"))
    assert border.heard() == ["message - 2 to room@ours.test"]


# -- what is not examined ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "when",
    [
        "from = 'good.test'",
        "from = ['bob@good.test', '*.good.test']",
        "to = 'hall.test'",
        "direction = 'out'",
        "listed = 'domains'",
        "from = 'list:domains'",
        "from = 'list:empty'",
        "listed = ['domains', 'empty']",
    ],
)
def test_a_rule_that_cannot_hold_between_two_domains_leaves_their_stanzas_unexamined(when: str) -> None:
    lists = {"domains": ["good.test", "*.good.test"], "empty": []}
    border = BorderHarness(rule(when, "drop"), lists=lists).border
    assert border.plan(Domain("evil.test"), Domain("ours.test")) is None
