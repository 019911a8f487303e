"""B-1: every regular expression of the program is judged here; those that strangers reach take linear time.

One that is new has to be put into one of the tables below, or the first test fails.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from time import process_time

import pytest

import gateway

pytestmark = pytest.mark.busy("compares processor times")

SMALL, LARGE = 2_000, 16_000
MOST = 5  # times the cost of a character of a short text, for one of a text that is eight times as long
RUNS, TRIES = 5, 4

Builder = Callable[[int], str]

# What operators, their system, OpenSSL and our own code write.
OURS = {
    "xmpp.addresses._PLAIN_ADDRESS",  # is given at most 3,071 characters; see below
    "config.advice._LOOPBACK",
    "config.reading._ASSIGNMENT",
    "config.reading._BARE",
    "config.reading._ELEMENT",
    "config.values._DIGEST",
    "commands.dane._PORT",
    "commands.world._PORT",
    "commands.filter._XML_DECLARATION",
    "filters.rules._MARK_NAME",
    "filters.rules._PAYLOAD",
    "filters.rules._RATE",
    "config.reading._HEADER",
    "config.values._CALLED",
    "config.values._TCP_PORT",
    "config.values._URI",
    "net.dns.targets._CONNECT",
    "net.certificates.trust_store._PEM",
    "notices.attempts.narration._CERTIFICATE_ALERT",
    "notices.attempts.narration._NO_CERTIFICATE_THERE",
}
# What is given nothing that expat has not passed: test_f_b_1_processor_time has the worst of that.
PASSED = {
    "outbox.delay._NAME",
    "xmpp.elements._REFERENCE",
    "xmpp.start_tags._ATTRIBUTE",
    "xmpp.iqs._CDATA",
    "xmpp.iqs._FIRST_CHILD",
    "xmpp.start_tags._START_TAG_NAME",
    "xmpp.iqs._TAG",
    "stream.codec._END_TAG",
    "stream.codec._STANZA_TAG",
    "stream.codec._USUAL_STANZA",
    "stream.codec._WHITESPACE",
    "stream.framing._ATTRIBUTE",
    "stream.framing._EDGE",
    "stream.framing._SPACED_END",
    "stream.framing._TAG",
    "stream.framing._TAG_NAME",
    "stream.known._ANY_TAG",
}


def run(text: str) -> Builder:
    return lambda size: text * (size // len(text))


def then(start: str, text: str, end: str) -> Builder:
    return lambda size: start + text * ((size - len(start) - len(end)) // len(text)) + end


ANYTHING = (run("a"), run("a."), run("="), run("-"), run(" "), run("<"), run("'"), run("\\"), run("1"), run("a\t="))
# By name: the method that is used, and the worst that could be thought of besides ANYTHING.
STRANGERS: dict[str, tuple[str, tuple[Builder, ...]]] = {
    "filters.content._URL": ("search", (run("http"), run("http:"), run("www"), run("xmpp: "), run("www. "))),
    "filters.lists._DIGEST": ("fullmatch", (run("a"), run("0"))),
    "xmpp.code_points._BY_NEIGHBOURS": ("search", ()),
    "xmpp.precis._FreeForm.not_everywhere": ("search", ()),
    "xmpp.precis._Identifier.not_everywhere": ("search", ()),
    "xmpp.stringprep_steps._MAPPED_TO_NOTHING": ("search", ()),
    "xmpp.address_parts._ASCII_LABEL": ("fullmatch", (then("a", "-", "!"), then("a", "-a", "-"))),
    "xmpp.address_parts._CONTEXTUAL": ("findall", (run("\u0660"), run("\u30fb"))),
    "xmpp.address_parts._FORBIDDEN_IN_LOCAL": ("search", ()),
    "xmpp.address_parts._PLAIN_DOMAIN": (
        "fullmatch",
        (then("", "a-.", "!"), then("", "1.", "1"), then("", "a" * 62 + ".", "!")),
    ),
    "xmpp.address_parts._PLAIN_LOCAL": ("fullmatch", (then("", "a", " "),)),
    "xmpp.address_parts._PLAIN_RESOURCE": ("fullmatch", (then("", "a", "\u00fc"),)),
    "xmpp.elements._ATTRIBUTE_SPECIAL": ("search", ()),
    "xmpp.elements._FORBIDDEN": ("search", ()),
    "xmpp.elements._TEXT_SPECIAL": ("search", ()),
    "operations.log._HARMFUL": ("search", ()),
    "net.certificates.certificate_names._HOST": ("fullmatch", (then("*.", "a.", "!"), then("", "a", "!"))),
    "net.certificates.certificate_names._SERVICE": ("fullmatch", (then("_", "a", "!"), then("_a", ".a", "!"))),
    "net.dns.targets._HOST_NAME": ("fullmatch", (then("", "a.", "!"),)),
    "sasl.digest_md5._DIRECTIVE": ("match", (then('a="', "\\a", ""), then('a="', "\\", ""), then("a", " ", "="))),
    "sasl.digest_md5._EMPTY_ELEMENT": ("match", (then("", " ", "x"),)),
    "sasl.scram_messages._ATTRIBUTE": ("fullmatch", (then("a=", "b", ","),)),
    "sasl.scram_messages._GS2_HEADER": (
        "match",
        (then("p=", "a", ";"), then("n,a=", "b", ""), then("n,a=", "b", "\0")),
    ),
    "sasl.scram_messages._NONCE": ("fullmatch", (then("", "a", ","),)),
    "sasl.scram_messages._SASLNAME": ("fullmatch", (then("", "=2C", "="), then("", "a", "="))),
    **{
        f"net.connection.foreign_protocols._KNOWN.{number}.0": ("match", (run("220 "), run("\r\n"), run("PROXY ")))
        for number in range(6)
    },
    "notices.attempts.narration._ABOUT_CERTIFICATES": ("search", (run("cert"), run("self"), run("x509"), run("x."))),
    "outbox.retention._CHILD": (
        "match",
        (then("<a", " ", "="), then("<a xmlns='", "b", ""), then("<", "a", ":"), then("<", "thread", "")),
    ),
    "outbox.retention._USUAL": ("match", (then("<message ", "a", "<"), then("<message", " ", ""))),
    "stream.bare_errors._ERROR": ("match", (then("<stream:error", " ", ""),)),
    "stream.bare_errors._START": ("match", (then("<?xml", "a", ">"), then(" ", "<?xml", ""))),
    "stream.expat._HeldToken._STOPS.<": ("search", ()),
    "stream.expat._HeldToken._STOPS.'": ("search", ()),
    'stream.expat._HeldToken._STOPS."': ("search", ()),
    "stream.expat._HeldToken._STOPS.&": ("search", ()),
    "stream.scope._PREFIXED_ELEMENT": ("search", (run("<a"), run("<a=:"), run("<!"))),
    "stream.expat._NO_CDATA": ("search", (run("<!"), run("<![A"), then("<![", "A", "!"))),
    "stream.expat._SMALL_TAG": ("match", (then("<", "a='/'", ""), then("<", "/", ""), then("<", "a='", ""))),
    "stream.known._USUAL_OPENING": (
        "fullmatch",
        (
            then("<?xml", " ", "?><stream:stream>"),
            then("<?xml?><stream:stream", " ", ">"),
            then("<?xml?><stream:stream", " id", ">"),
            then("<?xml?><stream:stream", "\tid ", ""),
        ),
    ),
    "stream.known._WORD": (
        "fullmatch",
        (then("<auth ", " mechanism=", ">"), then("<auth ", "\t", ""), run("<success ")),
    ),
    "stream.framing._END_OF_TAG": ("match", (then("", " ", "x"),)),
    "stream.scope._LANGUAGE": ("fullmatch", ()),
}


Pattern = re.Pattern[str] | re.Pattern[bytes]


def patterns() -> Iterator[tuple[str, Pattern]]:
    """Every compiled expression that a module has, by itself, as a method, in a container, or in a class."""
    for found in pkgutil.walk_packages(gateway.__path__, "gateway."):
        if found.name.endswith("__main__"):
            continue
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if name.startswith("_") or (isinstance(value, type) and value.__module__ == found.name):
                yield from held(f"{found.name.removeprefix('gateway.')}.{name}", value)


def held(name: str, value: object) -> Iterator[tuple[str, Pattern]]:
    """The expressions that something holds, however deep, by where they are in it."""
    pattern = getattr(value, "__self__", value)
    inside: Iterable[tuple[object, object]] = ()
    if isinstance(pattern, re.Pattern):
        yield name, pattern
    elif isinstance(value, Mapping):
        inside = value.items()
    elif isinstance(value, tuple | list | set | frozenset):
        inside = enumerate(value)
    elif isinstance(value, type) and value.__module__.startswith("gateway."):
        inside = [(key, each) for key, each in vars(value).items() if not key.startswith("__")]
    for key, each in inside:
        yield from held(f"{name}.{key.decode() if isinstance(key, bytes) else key}", each)


@cache
def all_patterns() -> Mapping[str, Pattern]:
    """Return the expressions of all modules by where they are."""
    return dict(patterns())


def test_f_b_1_every_regular_expression_has_been_judged() -> None:
    assert set(all_patterns()) == OURS | PASSED | set(STRANGERS)


def cost(use: Callable[[object], object], text: object, size: int) -> float:
    times = []
    for _ in range(RUNS):
        began = process_time()
        use(text)
        times.append(process_time() - began)
    return max(min(times), 2e-6) / size  # what takes no time at all is linear


@pytest.mark.parametrize("name", STRANGERS)
def test_f_b_1_no_text_takes_more_than_linear_time(name: str) -> None:
    method, worst = STRANGERS[name]
    pattern = all_patterns()[name]
    use = getattr(pattern, method)
    for build in (*ANYTHING, *worst):
        texts: list[object] = [build(SMALL), build(LARGE)]
        if isinstance(pattern.pattern, bytes):
            texts = [str(text).encode() for text in texts]
        small, large = texts
        assert any(cost(use, large, LARGE) < MOST * cost(use, small, SMALL) for _ in range(TRIES)), (name, small)


def test_f_b_1_the_longest_address_that_is_looked_at_takes_no_longer_than_its_length() -> None:
    pattern = all_patterns()["xmpp.addresses._PLAIN_ADDRESS"]
    for text in ("a" * 3000 + " ", "a." * 1500 + "!", "1." * 1500, "a-." * 1000, ("a" * 62 + ".") * 48 + "!"):
        assert any(cost(pattern.fullmatch, text, 3000) < MOST * cost(pattern.fullmatch, text[:375], 375)
                   for _ in range(TRIES)), text[:20]  # fmt: skip
