"""What was said to be kept is there after SIGKILL and after errors of the disk, and what failed is not."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

import pytest
from twisted.internet.task import Clock

from gateway.outbox.database import KIND
from gateway.outbox.opening import open_outbox
from gateway.storage.files import open_file
from tests.support import forks
from tests.unit.outbox.contract import now
from tests.unit.outbox.writer import PAIRS

ROOT = Path(__file__).parents[3]
PATIENCE_SECONDS = 120  # of a busy machine, for what takes three

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


WRITER = (sys.executable, "-m", "tests.unit.outbox.writer")


@contextmanager
def writer(folder: Path, *before: str) -> Iterator[subprocess.Popen[str]]:
    """A process that writes, behind what is `before` it, until it is killed: in the end, or when it takes too long."""
    command = [*before, *WRITER, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    late = Timer(PATIENCE_SECONDS, os.killpg, (process.pid, 9))
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.wait(10)
        assert process.stdout
        process.stdout.close()


class Said:
    """What a writer has printed, by pair."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.by_word: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.conditions: list[str] = []
        for line in lines:
            match line.split():
                case ["is", word] if line.endswith("\n"):
                    self.conditions.append(word)
                case [word, place, number] if line.endswith("\n"):
                    self.by_word[word][int(place)].append(int(number))

    def of(self, word: str, place: int) -> list[int]:
        return self.by_word[word][place]


def printed_until_killed(folder: Path, least: int) -> list[str]:
    """Kill a writer when it has printed this many lines; all of them, and those that came meanwhile."""
    process, printed = forks.start([*WRITER, folder], folder=ROOT)
    with printed:
        try:
            lines = [printed.readline() for _ in range(least)]
        finally:
            process.kill()
            process.wait(30)
        return lines + printed.readlines()


def check(folder: Path, said: Said) -> None:
    """Check that everything kept and not settled is there, in order, once, and nothing else but unanswered puts."""
    connection = open_file(folder / "outbox.db", KIND)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    outbox = open_outbox("sqlite:outbox.db", folder, Clock(), in_thread=False)
    for place, pair in enumerate(PAIRS):
        page = now(outbox.page(pair, 0, 10_000_000))
        there = [int(each.raw[len("<message>") : -len("</message>")]) for each in page]
        assert there == sorted(set(there)), "in order, and none twice"
        settled = max(said.of("settled", place), default=0)
        settling = max(said.of("settling", place), default=0)
        kept = [number for number in said.of("kept", place) if number > settling]
        assert set(kept) <= set(there), "what was kept is there"
        assert not set(said.of("failed", place)) & set(there), "what failed is not"
        assert not [number for number in there if number <= settled], "what was settled is not"
    now(outbox.close())


def test_everything_kept_is_there_after_sigkill(tmp_path: Path) -> None:
    for round_ in range(6):
        folder = tmp_path / str(round_)
        said = Said(printed_until_killed(folder, random.randint(1, 2000)))
        assert said.conditions == ["ready"]
        check(folder, said)


@needs_strace
@pytest.mark.parametrize("when", [1, 2, 3, 4, 5, 6, 7, 9, 13, 50])
def test_everything_kept_is_there_after_a_kill_inside_fdatasync(tmp_path: Path, when: int) -> None:
    inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:signal=KILL:when={when}"]
    with writer(tmp_path, "strace", "-f", "-qq", "-o", "/dev/null", *inject) as process:
        assert process.stdout
        lines = process.stdout.readlines()  # until it is killed
    check(tmp_path, Said(lines))


@needs_strace
@pytest.mark.parametrize("when", ["2", "3", "5", "8", "13", "10..11"])
def test_failed_sync_is_told_and_the_file_is_opened_anew(tmp_path: Path, when: str) -> None:
    """Everything kept before and after is there; a put that failed with the sync never comes back."""
    inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:error=EIO:when={when}"]
    with writer(tmp_path, "strace", "-f", "-qq", "-o", "/dev/null", *inject) as process:
        assert process.stdout
        lines = []
        failed, kept_since = False, 0
        while kept_since < 500:  # well past the failure
            lines.append(process.stdout.readline())
            assert lines[-1], f"the writer has ended, or was too late, after {len(lines)} lines: {lines[-5:]}"
            failed |= lines[-1] == "is io-error\n"
            kept_since += failed and lines[-1].startswith("kept")
        os.killpg(process.pid, 9)
        lines += process.stdout.readlines()
    said = Said(lines)
    assert "io-error" in said.conditions
    check(tmp_path, said)
