"""Commands to the running service: tables for people, JSON for programs, and exit statuses for monitors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import main
from gateway.commands.telling import duration, size
from gateway.notices.attempts.records import AttemptStep, Direction, StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.control.operator import attempt_record
from tests.support.control import answering

NOT_RUNNING, SOMETHING_IS_WRONG = 3, 4

RULES = {
    "allow": True,
    "authenticate": ["external", "dane", "dialback"],
    "require_tls": True,
    "require": None,
    "pin": [],
    "connect": None,
}
KNOWN = {"domain": "old.test", "ours": [], "rules": RULES, "filters": [], "keys": [], "peer": None, "streams": []}
KNOWN |= {"rules_from": {"require_tls": "any"}}

STATUS: dict[str, Any] = {
    "version": "1.0",
    "time": 7300.0,
    "started": 100.0,
    "ready": True,
    "missing": [],
    "troubles": [],
    "peer_states": {},
    "doors": ["server tcp:5269"],
    "domains": [{"domain": "bridge.test", "serve": "component", "up": True, "told": "attached"}],
    "certificates": [{"domain": "im.test", "file": "im.pem", "not_after": "2027-01-01", "days_left": 40.0}],
    "streams": [],
    "stream_count": 0,
    "peers": [],
    "peer_count": 0,
    "waiting": 0,
    "disk": {"folder": "/var/lib/xmpp-gateway", "size": 100_000_000_000, "free": 25_000_000_000},
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "gateway.toml"
    file.write_text('[gateway]\nstate = "state"\n[peers.any]\nmistaken = true\n')
    (tmp_path / "state").mkdir()
    return file


@contextmanager
def service(config: Path, **actions: Callable[..., Any]) -> Iterator[None]:
    """Something that answers on the control socket."""
    with answering(config.parent / "state", actions):
        yield


@pytest.mark.parametrize("words", [["status"], ["peers"], ["queues"], ["explain", "a.test"], ["reload"]])
def test_a_service_that_does_not_run_is_an_exit_status_of_its_own(
    config: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--config", str(config)]) == NOT_RUNNING
    out, err = capsys.readouterr()
    assert out == ""
    assert "the service is not running: nobody answers in its state folder" in err


def test_status_is_well_also_while_the_file_has_a_mistake(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(config, status=lambda: STATUS):
        assert main(["status", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("xmpp-gateway 1.0, running for 2 h: all is well\n")
    assert re.search("  bridge.test +component +up +attached", out)
    assert "25.0 GB free of 100.0 GB, 75 % used (/var/lib/xmpp-gateway)" in out


def test_what_is_wrong_is_told_first_with_its_remedy_and_is_an_exit_status(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trouble = {"sentence": "no nameserver answers", "remedy": "see that they run", "since": 7200.0, "kind": "dns"}
    with service(config, status=lambda: STATUS | {"troubles": [trouble]}):
        assert main(["status", "--config", str(config)]) == SOMETHING_IS_WRONG
    first, what, more, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("one thing is wrong")
    assert what == "  - no nameserver answers"
    assert more.startswith("    since ")
    assert more.endswith("; see that they run")


def test_all_is_not_well_while_other_domains_cannot_be_reached(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with service(config, status=lambda: STATUS | {"peer_states": {"failing": 14}}):
        assert main(["status", "--config", str(config)]) == 0
    assert "we are well, 14 other domains cannot be reached" in capsys.readouterr().out


def failed_attempt() -> dict[str, Any]:
    log = StreamLog(lambda _: None, lambda: 0.0, 1, Direction.OUT, local="im.test", remote="old.test")
    log.step(AttemptStep.CONNECT, "to 192.0.2.1:5269")
    told = "the certificate expired on 2026-01-01"
    log.step(AttemptStep.CERTIFICATE, told, ok=False, required="a valid certificate for old.test")
    log.end(Verdict.CERTIFICATE_EXPIRED, told)
    assert log.record is not None
    return attempt_record(log.record)


def test_explain_shows_steps_side_and_remedy(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {
        "domain": "old.test",
        "ours": [],
        "rules": RULES,
        "rules_from": {},
        "filters": ["no links", "spammers"],
        "keys": [],
        "peer": None,
        "streams": [],
        "attempts": [failed_attempt()],
    }
    with service(config, explain=lambda domain: known):
        assert main(["explain", "old.test", "--config", str(config)]) == SOMETHING_IS_WRONG
    out = capsys.readouterr().out
    assert "our rules for it: proved by external or dane or dialback, over TLS" in out
    assert "filters that can apply to it: no links, spammers" in out
    assert "FAIL  certificate" in out
    assert "required: a valid certificate for old.test" in out
    assert "whose side:    theirs" in out
    assert "remedy:        Its owner must renew the certificate" in out


def test_a_stream_that_was_accepted_and_then_closed_over_something_is_a_failure(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found: list[Any] = []
    log = StreamLog(found.append, lambda: 0.0, 1, Direction.OUT, local="im.test", remote="old.test")
    log.end(Verdict.ESTABLISHED)
    log.stream_ended(10, 20, "policy-violation: you are on our list", Verdict.CLOSED_BY_PEER)
    attempt = replace(found[-1].attempt, ended=found[-1].ending)
    with service(config, explain=lambda domain: KNOWN | {"attempts": [attempt_record(attempt)]}):
        assert main(["explain", "old.test", "--config", str(config)]) == SOMETHING_IS_WRONG
    out = " ".join(capsys.readouterr().out.split())
    assert "it ended: after 0 s (closed-by-peer): policy-violation: you are on our list" in out
    assert "whose side: theirs" in out


def test_peers_that_fail_are_an_exit_status(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    peer = {
        "domain": "old.test",
        "state": "failing",
        "since": 0,
        "streams_in": 0,
        "streams_out": 0,
        "queued": 3,
        "oldest": 7300,
        "they_to_us": "none",
        "we_to_them": "none",
        "verdict": "no-answer",
        "retry_in": 5,
        "told": "nothing came back",
        "certificate_fault": "",
    }
    with service(config, peers=lambda: [peer]):
        assert main(["peers", "--wide", "--config", str(config)]) == SOMETHING_IS_WRONG
    assert re.search(
        r"old.test +failing .* 3 +2 h 1 min .*no-answer +in 5 s +nothing came back", capsys.readouterr().out
    )
    with service(config, peers=lambda: [peer | {"state": "quiet"}]):
        assert main(["peers", "--config", str(config)]) == 0


def test_json_is_the_answer_as_it_came(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(config, queues=lambda: [{"sender": "a", "target": "b"}]):
        assert main(["queues", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == [{"sender": "a", "target": "b"}]


def test_h_42_words_of_peers_do_not_reach_the_terminal_as_they_are(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = {**failed_attempt(), "what_happened": "\x1b[2J\x07gone\nroot# " + "x" * 9999, "who": "\x1b]0;me\x07"}
    known = KNOWN | {"attempts": [evil]}
    with service(config, explain=lambda domain: known):
        main(["explain", "old.test", "--config", str(config)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "\nroot#" not in out


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59.9, "59 s"), (61, "1 min 1 s"), (600, "10 min"), (7300, "2 h 1 min"), (90000, "1 d 1 h")],
)
def test_durations_have_a_fitting_unit(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(("count", "told"), [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e9, "2.0 GB")])
def test_sizes_have_a_fitting_unit(count: float, told: str) -> None:
    assert size(count) == told


SHOWN = {"domain": "far.test", "is_held": True, "pairs": [], "failing": None, "aside": [], "stanzas": []}
WAITING = {"condition": "ready", "ages": [300], "domains": [], "held": ["later.test"]}


def test_bodies_of_kept_stanzas_are_printed_only_when_they_are_asked_for(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def show(domain: str, bodies: str = "") -> dict[str, object]:
        asked.append(bodies)
        return SHOWN | {"stanzas": [{"sender": "im.test", "accepted": 0, "raw": "<message/>"}] if bodies else []}

    with service(config, show=show):
        assert main(["queues", "show", "far.test", "--config", str(config)]) == 0
        assert "<message/>" not in capsys.readouterr().out
        assert main(["queues", "show", "far.test", "--bodies", "--config", str(config)]) == 0
    assert "from im.test: <message/>" in capsys.readouterr().out
    assert asked == ["", "yes"]


def test_queues_show_without_a_domain_is_of_all_domains(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(config, waiting=lambda: WAITING):
        assert main(["queues", "show", "--config", str(config)]) == 0
        assert "held, with nothing waiting: later.test" in capsys.readouterr().out
        assert main(["queues", "show", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == WAITING


@pytest.mark.parametrize("words", [["queues", "show", "--json", "far.test"], ["queues", "--json", "show", "far.test"]])
def test_options_may_stand_between_the_words_of_a_command(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    with service(config, show=lambda domain: {"domain": domain}):
        assert main([*words, "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out) == {"domain": "far.test"}


@pytest.mark.parametrize(
    ("words", "request_", "told"),
    [
        (["log"], ("", ""), "the log has everything from info on"),
        (["log", "debug"], ("debug", ""), "the log has everything from info on"),
        (["log", "debug", "a.test"], ("debug", "a.test"), "a.test: from debug on until the restart"),
    ],
)
def test_the_level_of_the_log_is_a_command(
    config: Path, words: list[str], request_: tuple[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def log(level: str, domain: str) -> dict[str, Any]:
        assert (level, domain) == request_
        return {"level": "info", "configured": "info", "domains": {domain: level} if domain else {}}

    with service(config, log=log):
        assert main([*words, "--config", str(config)]) == 0
    assert told in capsys.readouterr().out


def test_a_full_disk_behind_standard_output_is_no_traceback(config: Path) -> None:
    command = [sys.executable, "-m", "gateway.commands", "completion", "bash"]
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, "xmpp-gateway: No space left on device\n")


def test_ctrl_c_ends_a_command_without_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: Any) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("gateway.commands.completion.run", interrupted)
    assert main(["completion", "bash"]) == 130


def test_the_last_column_of_what_is_kept_has_a_heading(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = {"domain": "a.test", "stanzas": 3, "bytes": 2048, "ages": [3, 0], "is_held": True}
    answer = {"condition": "ready", "ages": [300], "domains": [kept], "held": ["a.test"]}
    with service(config, waiting=lambda: answer):
        main(["queues", "show", "--config", str(config)])
    headings, row = capsys.readouterr().out.splitlines()
    assert headings.split() == ["kept", "for", "all", "KiB", "<5", "5+", "min", "state"]
    assert row.split() == ["a.test", "3", "2", "3", "0", "held"]
