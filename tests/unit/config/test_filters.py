"""[[filter]] and [lists]: what is read, and every mistake at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from zope.interface import implementer

from gateway.config import Mistakes, load
from gateway.filters.interfaces import IFilter
from gateway.filters.rules import Act, Crossing, Party, PayloadName, Per, Rate
from gateway.xmpp.errors import StanzaCondition
from tests.support.configuration import Folder


@implementer(IFilter)
class Choosy:
    """A filter that needs a word."""

    def __init__(self, *, word: str) -> None: ...


def read(folder: Path, text: str):  # type: ignore[no-untyped-def]
    (folder / "bad.txt").write_text("evil.test\n")
    return load(Folder(folder).complete(text))


def test_a_rule_with_everything(tmp_path: Path) -> None:
    text = """
[[filter]]
name = "all"
dry_run = true
then = "bounce:not-acceptable"
[filter.when]
direction = ["in", "inside"]
from = ["Evil.test", "*.evil.test", "Eve@evil.test", "list:bad"]
to = "ours.test"
kind = "message"
type = ["chat", "normal"]
payload = ["jabber:x:oob", "{urn:x}y"]
larger_than = 10
urls = true
stranger = false
rate = "10 per second per domain"
listed = "bad"
language = "DE"
[lists.bad]
file = "bad.txt"
never = "friend.test"
"""
    settings = read(tmp_path, text)
    (rule,) = settings.filters
    when = rule.when
    assert (rule.name, rule.dry_run, rule.decision.act) == ("all", True, Act.BOUNCE)
    assert rule.decision.condition is StanzaCondition.NOT_ACCEPTABLE
    assert when.directions == {Crossing.IN, Crossing.INSIDE}
    assert when.senders == (
        Party(domain="evil.test"),
        Party(suffix=".evil.test"),
        Party(bare="eve@evil.test"),
        Party(list_name="bad"),
    )
    assert when.payloads == (PayloadName("jabber:x:oob", ""), PayloadName("urn:x", "y"))
    assert when.rate == Rate(10, 1, Per.DOMAIN)
    assert (when.larger_than, when.urls, when.stranger, when.listed, when.languages) == (
        10,
        True,
        False,
        ("bad",),
        ("de",),
    )
    assert settings.lists["bad"].never == ("friend.test",)


RULE = '[[filter]]\nname = "a"\n{}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RULE.format('then = "shoot"'), "filter.a.then: 'shoot' is not a decision"),
        (RULE.format('then = "bounce:frob"'), "'frob' is not a condition"),
        (RULE.format('then = "mark:"'), "mark:NAME"),
        (RULE.format("then = 1"), "a string is needed"),
        (RULE.format('then = "no.such.Filter"'), "no.such.Filter cannot be imported"),
        (RULE.format('then = "gateway.handlers.echo.Echo"'), "is not a filter"),
        (
            RULE.format(f'then = "{__name__}.Choosy"\noptions = {{ words = 1 }}'),
            f"filter.a.options: {__name__}.Choosy does not accept them: missing a required argument: 'word'",
        ),
        (RULE.format('then = "drop"\nwhen = { from = 5 }'), "a text or a list of texts is needed, not 5"),
        (RULE.format('then = "drop"\nwhen = { from = [] }'), "a text or a list of texts is needed, not []"),
        (RULE.format('then = "drop"\noptions = { a = 1 }'), "are only for a filter in Python"),
        (RULE.format('then = "drop"\nwhen = { directoin = "in" }'), "did you mean 'direction'?"),
        (RULE.format('then = "drop"\nwhen = { direction = "up" }'), "'up' is not one of 'in', 'inside', 'out'"),
        (RULE.format('then = "drop"\nwhen = { kind = "stream" }'), "'stream' is not one of"),
        (RULE.format('then = "drop"\nwhen = { from = "a@b/c" }'), "has a resource"),
        (RULE.format('then = "drop"\nwhen = { from = "@" }'), "filter.a.when.from"),
        (RULE.format('then = "drop"\nwhen = { payload = "{x" }'), "is neither a namespace nor"),
        (RULE.format('then = "drop"\nwhen = { rate = "often" }'), "'often' is not a rate"),
        (RULE.format('then = "drop"\nwhen = { rate = "0/minute" }'), "is not a rate"),
        (RULE.format('then = "drop"\nwhen = { listed = "bda" }\n[lists.bad]\nfile = "bad.txt"'), "did you mean 'bad'?"),
        (RULE.format('then = "drop"\nwhen = { marked = "m" }'), "no rule before this one sets the mark 'm'"),
        (RULE.format('then = "drop"') * 2, "two rules are named 'a'"),
        ('[filter]\nname = "a"', "write [[filter]]"),
        ("[lists.bad]", "needs either `file`"),
        ('[lists.bad]\nfile = "none.txt"', "cannot read"),
        ('[lists.bad]\nfile = "wrong.txt"', "line 2"),
        ('[lists.bad]\nfile = "worse.txt"', "worse.txt: 3 more lines are wrong"),
        ('[lists.bad]\nfile = "latin-1.txt"', "latin-1.txt does not hold UTF-8 text"),
        ('[lists.bad]\nrtbl = "a b"', "lists.bad.rtbl"),
    ],
)
def test_mistakes(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "wrong.txt").write_text("evil.test\n@@\n")
    (tmp_path / "worse.txt").write_text(8 * "@@\n")
    (tmp_path / "latin-1.txt").write_bytes(b"caf\xe9.test\n")
    with pytest.raises(Mistakes) as report:
        read(tmp_path, text)
    assert expected in str(report.value)


def test_a_mistake_is_told_at_the_line_of_its_own_table(tmp_path: Path) -> None:
    text = RULE.format('then = "drop"') + '[[filter]]\nname = "b"\n\nthen = "shoot"\n'
    with pytest.raises(Mistakes) as report:
        read(tmp_path, text)
    (mistake,) = report.value.mistakes
    lines = Path(report.value.file).read_text().splitlines()
    assert lines[(mistake.line or 0) - 1] == 'then = "shoot"'


@pytest.mark.parametrize("tag", ["en", "pt-BR", "zh-Hant-TW", "x-klingon", "de-1996"])
def test_a_language_is_a_tag(tmp_path: Path, tag: str) -> None:
    text = f'[[filter]]\nname = "l"\nthen = "drop"\nwhen = {{ language = "{tag}" }}\n'
    assert read(tmp_path, text).filters[0].when.languages == (tag.lower(),)


@pytest.mark.parametrize("tag", ["english please", "*", "e", "en_GB", "en-", "deutschland", "\u00e9n"])
def test_what_is_no_language_is_a_mistake(tmp_path: Path, tag: str) -> None:
    with pytest.raises(Mistakes, match="is not a language tag"):
        read(tmp_path, f'[[filter]]\nname = "l"\nthen = "drop"\nwhen = {{ language = "{tag}" }}\n')
