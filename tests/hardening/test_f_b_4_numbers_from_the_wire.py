"""B-4: a number that a stranger writes, of any length and in any digits, is read or refused, and never raises."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import gateway
from gateway.features.stream_management import ManagementEnabled, _answered, _count
from gateway.im.presence import read_priority
from gateway.sasl.scram_messages import ServerFirst
from gateway.storage.records import read_version
from gateway.stream.facts import Management, Role, ServerFacts
from gateway.stream.header import _version
from gateway.stream.limits import their_limits
from gateway.xmpp.digits import read_number, read_signed
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import SaslFailure, StanzaError, StreamError
from gateway.xmpp.namespaces import LIMITS, STREAM_MANAGEMENT
from gateway.xmpp.stanzas import CONTENT, Stanza

ODD = [
    "9" * 5000,
    "-" + "9" * 5000,
    "0" * 5000 + "1",
    "\u0663",
    "\u00b2",
    "1_0",
    " 1",
    "1.0",
    "0x10",
    "",
    "-",
    "+",
    "--1",
]
READERS: dict[str, Callable[[str], object]] = {
    "enabled": lambda text: enabled(text),
    "h": lambda text: _count(Element(STREAM_MANAGEMENT, "a", {"h": text})),
    "limits": lambda text: their_limits(Element(LIMITS, "x", {}, [limits(text)])),
    "iterations": lambda text: ServerFirst.read(f"r=abc,s=QUJD,i={text}".encode()),
    "priority": lambda text: read_priority(presence(text)),
    "version": lambda text: _version(f"{text}.{text}"),
    "roster": lambda text: read_version(f"epoch-{text}", "epoch"),
}


def enabled(text: str) -> int | None:
    facts = ServerFacts(role=Role.INITIATING, management=Management.ON)
    (event,) = _answered(facts, Element(STREAM_MANAGEMENT, "enabled", {"max": text})).outputs
    assert isinstance(event, ManagementEnabled)
    return event.seconds


def limits(text: str) -> Element:
    return Element(LIMITS, "limits", {}, [Element(LIMITS, "max-bytes", {}, [text])])


def presence(text: str) -> Stanza:
    return Stanza.from_element(Element(CONTENT, "presence", {}, [Element(CONTENT, "priority", {}, [text])]))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("text", ODD)
def test_f_b_4_no_number_raises_what_nobody_expects(reader: str, text: str) -> None:
    with contextlib.suppress(StreamError, StanzaError, SaslFailure):
        READERS[reader](text)


def test_f_b_4_a_number_that_is_too_large_is_as_good_as_none() -> None:
    assert enabled("600") == 600
    assert enabled("9" * 5000) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("255", 255), ("256", None), ("-1", None), ("+1", None), ("1" * 9999, None), (None, None)],
)
def test_f_b_4_one_reader_for_all(text: str | None, number: int | None) -> None:
    assert read_number(text, 255) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("127", 127), ("+127", 127), ("128", None), ("-128", -128), ("-129", None), ("-+1", None), ("--1", None)],
)
def test_f_b_4_and_for_those_with_a_sign(text: str, number: int | None) -> None:
    assert read_signed(text, 127) == number


# Text that is not a stranger's: our own configuration and system, our own storage, seconds of ours; and a character
# reference, which expat has found to be one.
OWN = {"xmpp/elements", "run/reloading", "operations/log", "operations/supervision", "config/values"}
OWN |= {"net/dns/targets", "net/dns/system_names"}
OWN |= {"commands/__init__", "commands/telling", "storage/statements", "storage/files", "stream/limits"}
OWN |= {"outbox/database", "commands/dane", "filters/rules", "filters/acquaintances"}
OWN |= {"operations/minutes", "operations/findings"}
OWN |= {"bundled/posting", "outbox/databases", "outbox/postgresql/database", "storage/postgresql/schemas"}
OWN |= {"commands/backup", "commands/status", "commands/world", "storage/transfer"}
# What other nodes write; a number that Python refuses makes a frame or a record unreadable.
OWN |= {"cluster/frames", "cluster/records"}
# What an operator asks for, which is checked for its length before.
OWN |= {"operations/http/views", "operations/control/filters"}


CALL = re.compile(r"\bint\s*\(")


def test_f_b_4_nothing_else_makes_numbers_of_text() -> None:
    root = Path(gateway.__file__).parent
    found = {
        str(path.relative_to(root).with_suffix(""))
        for path in root.rglob("*.py")
        if CALL.search(text := path.read_text())  # most files need not be parsed
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "int"
    }
    assert found <= OWN | {"xmpp/digits"}
