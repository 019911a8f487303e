"""The log: one record a line, and nothing that a peer says gets out of its line."""

from __future__ import annotations

import io
import json
import signal
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger, LogLevel, LogPublisher
from twisted.logger._legacy import publishToNewObserver
from twisted.python.failure import Failure
from twisted.python.log import textFromEventDict

from gateway.notices.notices import Board, Level, MaybeLost, Notice, Remark, StanzasPassed
from gateway.operations.log import LogLevels, Shares, harmless, log_observer, notice_log, open_log


class Log:
    """A log in memory, with a logger that writes to it."""

    def __init__(self, form: str = "text", level: str = "info") -> None:
        self.out = io.StringIO()
        self.publisher = LogPublisher(log_observer(self.out, form=form, level=level))
        self.logger: Callable[[str], Logger] = lambda namespace: Logger(namespace, observer=self.publisher)
        self.ours = self.logger("gateway")

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()

    @property
    def told(self) -> list[str]:
        """The lines without their time."""
        return [line.partition(" ")[2] for line in self.lines]


def test_text_is_time_level_and_message() -> None:
    log = Log()
    log.ours.warn("the stream to {domain} was lost", domain="example.net")
    (line,) = log.lines
    time, level, message = line.split(None, 2)
    assert (level, message) == ("warn", "the stream to example.net was lost")
    assert len(time) == len("2026-11-22T13:21:07.123+00:00")


def test_json_is_one_object_a_line() -> None:
    log = Log("json")
    log.ours.info("first")
    log.ours.error("second\nline")
    first, second = map(json.loads, log.lines)
    assert (first["level"], first["message"], first["namespace"]) == ("info", "first", "gateway")
    assert (second["level"], second["message"]) == ("error", "second\\nline")


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug d", "info  i", "warn  w", "error e", "info  twisted i", "warn  twisted w"]),
        ("info", ["info  i", "warn  w", "error e", "warn  twisted w"]),
        ("warn", ["warn  w", "error e", "warn  twisted w"]),
        ("error", ["error e"]),
        ("critical", []),
    ],
)
def test_level_filters_and_twisted_is_quiet_unless_debugging(level: str, told: list[str]) -> None:
    log = Log(level=level)
    for each in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error):
        log.ours.emit(each, each.name[0])
    twisted = log.logger("twisted.internet.protocol")
    twisted.info("twisted i")
    twisted.warn("twisted w")
    assert log.told == told


def _fail() -> None:
    raise ValueError("said\nthe peer")


@pytest.mark.parametrize("form", ["text", "json"])
def test_failure_comes_with_its_traceback(form: str) -> None:
    log = Log(form)
    try:
        _fail()
    except ValueError:
        log.ours.failure("our own bug")
    if form == "json":
        (record,) = map(json.loads, log.lines)
        assert record["message"] == "our own bug"
        traceback = record["traceback"]
    else:
        assert log.told[0] == "critical our own bug"
        assert all(line.startswith("    ") for line in log.lines[1:]), "no line of it looks like a record"
        traceback = log.lines[1:]
    assert any("in _fail" in line for line in traceback)


def test_failure_of_the_old_log_looks_the_same() -> None:
    log = Log()
    try:
        _fail()
    except ValueError:
        event = {"failure": Failure(), "why": None, "isError": 1, "time": 0.0, "message": ()}
    publishToNewObserver(log.publisher, event, textFromEventDict)
    assert log.told[0] == "critical unhandled error: said\\nthe peer"
    assert all(line.startswith("    ") for line in log.lines[1:])
    assert any("in _fail" in line for line in log.lines[1:])


def test_chatter_of_the_old_log_is_not_told_unless_debugging() -> None:
    for level, told in (("info", 0), ("debug", 1)):
        log = Log(level=level)
        publishToNewObserver(
            log.publisher, {"message": ("Door starting on 1",), "time": 0.0, "isError": 0}, textFromEventDict
        )
        assert len(log.lines) == told


@pytest.mark.parametrize("form", ["text", "json"])
@given(said=st.text() | st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Cs"]))
def test_h_42_whatever_a_peer_says_stays_on_its_line(form: str, said: str) -> None:
    log = Log(form)
    log.ours.info("peer said: {said}", said=said)
    assert log.out.getvalue().count("\n") == 1
    assert len(log.lines) == 1
    categories = {unicodedata.category(character) for character in log.lines[0]}
    assert not categories & {"Cc", "Cs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028new line", "\\u2028new line"),
        ("\ud800", "\\ud800"),
        ("bücher.example 例え", "bücher.example 例え"),
        ("{not} a format", "{not} a format"),
    ],
)
def test_h_42_harmful_characters_are_escaped(said: str, shown: str) -> None:
    log = Log()
    log.ours.info("{said}", said=said)
    assert log.told == [f"info  {shown}"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_h_42_lengths_are_cut(form: str) -> None:
    log = Log(form)
    log.ours.info("{said}", said="\x00" * 1_000_000)
    assert len(log.out.getvalue()) < 30_000
    assert "(996000 more)" in log.out.getvalue()


def test_length_is_cut_before_it_is_escaped() -> None:
    assert harmless("abcdef", 4) == "abcd... (2 more)"
    assert harmless("abcd", 4) == "abcd"


@dataclass(frozen=True, kw_only=True)
class Part:
    """A record inside a notice."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Heard(Notice):
    """A notice with facts of all kinds."""

    domain: str
    count: int
    part: Part | None = None
    steps: tuple[str, ...] = ()
    because: Exception | None = None

    @property
    def sentence(self) -> str:
        return f"heard {self.count} from {self.domain}"


def test_notices_are_logged_with_their_facts() -> None:
    log = Log("json")
    board = Board()
    board.subscribe(notice_log("info", log.ours))
    board.publish(
        Heard(domain="a.test\n", count=3, part=Part(name="p"), steps=("one", "two\x00"), because=ValueError("x" * 2000))
    )
    (record,) = map(json.loads, log.lines)
    assert record["message"] == "heard 3 from a.test\\n"
    assert record["notice"] == "Heard"
    facts = record["facts"]
    assert (facts["domain"], facts["count"], facts["steps"]) == ("a.test\\n", 3, ["one", "two\\x00"])
    assert facts["part"] == {"name": "p"}
    assert facts["because"].endswith("(1000 more)")


def test_notices_below_the_level_are_not_even_put_into_words() -> None:
    class Silent(Notice):
        level = Level.DEBUG

        @property
        def sentence(self) -> str:
            raise AssertionError("nobody asked")

    log = Log()
    publish = notice_log("info", log.ours)
    publish(Silent())
    publish(StanzasPassed(came_in=True, via="server", source="a", target="b", stanzas=[], size=1))
    publish(Remark(text="listening"))
    publish(MaybeLost(domain="b.test", count=2, seconds=1, reason="cut"))
    assert [line.split()[0] for line in log.told] == ["info", "warn"]


@dataclass(frozen=True, kw_only=True)
class Caused(Notice):
    """Something that anybody can make happen."""

    by: str

    @property
    def cause(self) -> str:
        return self.by

    @property
    def sentence(self) -> str:
        return f"something by {self.by or 'us'}"


def test_nobody_can_fill_the_log_and_others_are_told_of_as_before() -> None:
    log, clock = Log(), Clock()
    publish = notice_log("info", log.ours, Shares(3, clock.seconds))
    for _ in range(10):
        publish(Caused(by="192.0.2.1"))
    publish(Caused(by="192.0.2.2"))
    for _ in range(10):
        publish(Caused(by=""))
    assert sum("192.0.2.1" in line for line in log.told) == 3
    assert sum("192.0.2.2" in line for line in log.told) == 1
    assert sum("by us" in line for line in log.told) == 10
    clock.advance(61)
    publish(Caused(by="192.0.2.1"))
    assert log.told[-2].startswith("warn  7 lines about 192.0.2.1 were left out ([limits] log_lines_per_minute)")
    assert "something by 192.0.2.1" in log.told[-1]


def test_those_who_cause_lines_are_remembered_within_bounds() -> None:
    shares = Shares(1, Clock().seconds, most=2)
    assert [shares.take(cause)[0] for cause in "aab"] == [True, False, True]
    assert shares.take("c")[0]
    assert len(shares._caused) == 2


@pytest.mark.parametrize("level", ["error", "critical"])
def test_high_levels_silence_notices(level: str) -> None:
    log = Log(level=level)
    notice_log(level, log.ours)(MaybeLost(domain="b.test", count=2, seconds=1, reason="cut"))
    assert log.lines == []


@pytest.fixture
def sigusr1() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


class Reactor(MemoryReactorClock):
    def callFromThread(self, function: Any, *arguments: Any) -> None:
        function(*arguments)


@pytest.mark.usefixtures("sigusr1")
def test_logrotate_moves_the_file_and_a_signal_opens_it_anew(tmp_path: Path) -> None:
    file, moved = tmp_path / "gateway.log", tmp_path / "gateway.log.1"
    out = open_log(str(file), daemon=True, reactor=Reactor())
    out.write("before\n")
    file.rename(moved)
    out.write("between\n")
    signal.raise_signal(signal.SIGUSR1)
    out.write("after\n")
    out.close()
    assert (moved.read_text(), file.read_text()) == ("before\nbetween\n", "after\n")


@pytest.mark.usefixtures("sigusr1")
def test_file_does_not_rotate_itself(tmp_path: Path) -> None:
    out = open_log(str(tmp_path / "gateway.log"), daemon=False, reactor=Reactor())
    for _ in range(3):
        out.write("x" * 1_000_000)
    out.close()
    assert [file.name for file in tmp_path.iterdir()] == ["gateway.log"]


@pytest.mark.parametrize("name", ["-", None])
def test_foreground_logs_to_standard_output(name: str | None) -> None:
    assert open_log(name, daemon=False, reactor=Reactor()) is sys.stdout


def test_the_level_of_one_domain_changes_while_the_service_runs() -> None:
    levels = LogLevels("info")
    out = io.StringIO()
    logger = Logger("gateway", observer=LogPublisher(log_observer(out, form="text", level=levels)))
    publish = notice_log(levels, logger)

    def told(source: str, target: str) -> bool:
        out.truncate(out.seek(0))
        publish(StanzasPassed(came_in=True, via="server", source=source, target=target, stanzas=[], size=1))
        return bool(out.getvalue())

    assert not told("far.test", "im.test")
    levels.domains["far.test"] = "debug"
    assert told("far.test", "im.test")
    assert told("im.test", "far.test")
    assert told("romeo@far.test/x", "im.test")
    assert not told("other.test", "im.test")
    levels.domains["im.test"] = "error"
    publish(MaybeLost(domain="im.test", count=2, seconds=1, reason="cut"))
    assert "may not have arrived" not in out.getvalue()
    levels.domains.clear()
    levels.set("debug")
    assert told("other.test", "im.test")


def test_a_new_level_in_the_configuration_does_not_undo_that_of_a_command() -> None:
    levels = LogLevels("info")
    levels.configure("warn")
    assert levels.level == "warn"
    levels.set("debug")
    levels.configure("error")
    assert (levels.level, levels.configured) == ("debug", "error")


def test_a_stale_pidfile_is_a_warning() -> None:
    out = io.StringIO()
    observer = log_observer(out, form="text", level="info")
    publishToNewObserver(
        LogPublisher(observer),
        {
            "message": ("Removing stale pidfile /run/x.pid",),
            "isError": True,
            "time": 0.0,
            "system": "-",
            "format": "%(message)s",
        },
        textFromEventDict,
    )
    assert " warn  Removing stale pidfile /run/x.pid" in out.getvalue()
