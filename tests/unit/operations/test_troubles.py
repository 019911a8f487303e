"""A trouble is a state: it has a beginning, logged once when it begins and once when it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.filters.lists import NamedList
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice
from gateway.operations import findings
from gateway.operations.fates import Fates
from gateway.operations.http.health import ready
from gateway.operations.troubles import Trouble, TroubleChanged, TroubleKind, Troubles
from gateway.xmpp.addresses import Domain

DEAD = Trouble(kind=TroubleKind.DNS, sentence="no nameserver answers", remedy="check that they run")
FAR = Domain("far.test")


class Seen:
    """Troubles of one source, and what was published."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.found: list[Trouble] = []
        self.published: list[Notice] = []
        self.troubles = Troubles([lambda: self.found], self.clock.seconds, self.published.append)


def test_a_trouble_has_the_moment_at_which_it_began_and_a_line_for_each_change() -> None:
    seen = Seen()
    assert seen.troubles.now() == []
    seen.clock.advance(10)
    seen.found = [DEAD]
    for _ in range(3):
        [trouble] = seen.troubles.now()
        seen.clock.advance(10)
    assert trouble.since == 10
    seen.found = []
    assert seen.troubles.now() == []
    assert [(type(each), each.level, each.sentence) for each in seen.published] == [
        (TroubleChanged, "error", "no nameserver answers: check that they run"),
        (TroubleChanged, "info", "no longer so: no nameserver answers"),
    ]


def test_a_number_that_changes_is_the_same_trouble() -> None:
    seen = Seen()
    for count in (1, 2, 3):
        seen.found = [Trouble(kind=TroubleKind.UNDELIVERED, sentence=f"{count} stanzas wait")]
        seen.clock.advance(5)
        [trouble] = seen.troubles.now()
    assert (trouble.sentence, trouble.since) == ("3 stanzas wait", 5)
    assert len(seen.published) == 1


def test_healthz_warns_of_troubles_and_stays_ready() -> None:
    told = ready(list, lambda: [DEAD])()
    assert told.status == 200
    assert "no nameserver answers: check that they run" in str(told.body)


def fates(*failing: str, clock: Clock) -> Fates:
    found = Fates(clock.seconds)
    for number, domain in enumerate(failing):
        log = StreamLog(found.notice, clock.seconds, number, Direction.OUT, remote=domain)
        log.end(Verdict.UNREACHABLE)
    return found


def test_stanzas_that_wait_for_a_domain_that_fails_are_a_trouble_and_others_are_not() -> None:
    clock = Clock()
    waiting = {"far.test": 5, "opening.test": 7}
    found = fates("far.test", "idle.test", clock=clock)
    [trouble] = findings.undelivered(waiting, found, clock.seconds())
    assert trouble.sentence == "5 stanzas wait for far.test, which cannot be reached"
    assert list(findings.undelivered({"opening.test": 7}, found, clock.seconds())) == []


def test_many_domains_for_which_something_waits_are_one_trouble_of_bounded_length() -> None:
    clock = Clock()
    names = [f"p{number}.test" for number in range(100)]
    [trouble] = findings.undelivered(dict.fromkeys(names, 1), fates(*names, clock=clock), clock.seconds())
    assert trouble.sentence.startswith("100 stanzas wait for 100 domains that cannot be reached: p0.test")
    assert trouble.sentence.endswith("and 97 more")


def test_a_certificate_that_several_domains_share_is_one_trouble(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)

    def identity(days: float) -> Any:
        return SimpleNamespace(not_after=now + timedelta(days=days), certificate_file=tmp_path / f"{days}.pem")

    shared = identity(3.5)
    identities: Any = {Domain(f"{letter}.test"): shared for letter in "abcde"} | {FAR: identity(90)}
    [trouble] = findings.certificates_ending(identities, now.timestamp())
    assert trouble.sentence.startswith("the certificate for a.test, b.test, c.test and 2 more expires in 3 days: ")
    [gone] = findings.certificates_ending({FAR: identity(-1)}, now.timestamp())
    assert "expired on 2025-12-31" in gone.sentence


@pytest.mark.parametrize(("free", "told"), [(10**12, []), (1024 * 1024, ["is nearly full: 1 MiB are left"])])
def test_a_disk_that_is_nearly_full_is_a_trouble(
    free: int, told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_files=10, f_favail=5)
    monkeypatch.setattr(findings.os, "statvfs", lambda path: space)
    found = [each.sentence for each in findings.disk(tmp_path)]
    assert len(found) == len(told)
    assert all(word in sentence for word, sentence in zip(told, found, strict=True))


def test_a_state_folder_that_is_gone_is_a_trouble(tmp_path: Path) -> None:
    [trouble] = findings.disk(tmp_path / "away")
    assert "cannot be read" in trouble.sentence
    assert findings.disk_figures(tmp_path / "away") is None


def test_a_state_folder_that_cannot_be_written_is_a_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings.os, "access", lambda path, mode: False)  # root may write everywhere
    [trouble] = findings.disk(tmp_path)
    assert trouble.sentence == f"the state folder {tmp_path} cannot be written"


def test_what_does_not_work_is_told_with_its_remedy() -> None:
    broken = SimpleNamespace(fault=SimpleNamespace(word="io", sentence="the disk fails", remedy="replace it"))
    found = [*findings.accounts(broken), *findings.nameservers("timeout"), *findings.refused_reload("line 3: wrong")]
    assert [(each.kind, each.sentence.partition(": ")[2] or each.sentence) for each in found] == [
        (TroubleKind.STORAGE, "the disk fails"),
        (TroubleKind.DNS, "timeout"),
        (TroubleKind.RELOAD, "line 3: wrong"),
    ]
    assert all(each.remedy for each in found)
    assert [*findings.accounts(object()), *findings.nameservers(""), *findings.refused_reload("")] == []


def test_a_list_that_is_not_current_is_a_trouble() -> None:
    fine, failing = NamedList("fine", "a file"), NamedList("bad", "rtbl.test muc_bans_sha256")
    fine.is_well, failing.is_well = True, False
    failing.state = "rtbl.test has not answered within 60 s"
    [trouble] = findings.lists([fine.look(), failing.look()])
    assert "'bad'" in trouble.sentence
    assert failing.state in trouble.sentence
