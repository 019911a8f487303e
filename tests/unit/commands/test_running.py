"""Commands to the running service: tables for people, JSON for programs, and exit statuses for monitors."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import configuration, main
from gateway.commands.steering import JSON_SCHEMA
from gateway.commands.telling import duration, next_try, size
from gateway.config.place import NoConfiguration
from gateway.notices.attempts.records import AttemptStep, Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.control.door import CommandRefused
from gateway.operations.control.operator import attempt_record
from tests.support.control import answering

NOT_DONE, NOT_RUNNING, SOMETHING_IS_WRONG = 1, 3, 4

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
    trouble = {"sentence": "no nameserver answers", "remedy": "check that they run", "since": 7200.0, "kind": "dns"}
    with service(config, status=lambda: STATUS | {"troubles": [trouble]}):
        assert main(["status", "--config", str(config)]) == SOMETHING_IS_WRONG
    first, what, more, *_ = capsys.readouterr().out.splitlines()
    assert first.endswith("one thing is wrong")
    assert what == "  - no nameserver answers"
    assert more.startswith("    since ")
    assert more.endswith("; check that they run")


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


def test_h_42_stanzas_and_reasons_of_peers_do_not_reach_the_terminal_as_they_are(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = HELD | {"xml": f"<message><body>\u009b2J\u202e{5000 * 'x'}</body></message>"}
    failing = {"failures": 1, "since": 0, "reason": "gone\n\u009b2J"}
    with service(config, held_show=lambda id: held, show=lambda domain: SHOWN | {"failing": failing}):
        assert main(["held", "show", "7", "--config", str(config)]) == 0
        assert main(["queues", "show", "far.test", "--config", str(config)]) == 0
        out = capsys.readouterr().out
        assert main(["held", "show", "7", "--json", "--config", str(config)]) == 0
    assert not {"\u009b", "\u202e"} & {*out}
    assert f"\\x9b2J\\u202e{5000 * 'x'}</body></message>" in out  # the whole of it
    assert "1 attempt failed since" in out
    assert json.loads(capsys.readouterr().out) == held


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


HELD = {"kind": "message", "id": 7, "sender": "far.test", "target": "im.test", "rule": "spam", "bytes": 90} | {
    "accepted": 0,
    "expires": 60,
    "xml": "",
}
RELOADED = {"changed": [], "closed": 0, "faults": [], "needs_restart": []}
QUEUE = {"sender": "im.test", "target": "far.test", "disposition": "waiting", "stanzas": 3, "sent": 4, "retry_in": 5}
ASIDE = {"bytes": 90, "sender": "im.test", "accepted": 0, "reason": "streams to far.test ended over it"}


@pytest.mark.parametrize(
    ("words", "action", "answer", "told"),
    [
        ("queues", "queues", [QUEUE], "im.test +far.test +waiting +3 +4 +in 5 s"),
        (
            "queues show far.test",
            "show",
            SHOWN | {"aside": [ASIDE]},
            "set aside: 90 bytes from im.test, .*ended over it",
        ),
        ("queues show far.test", "show", SHOWN | {"aside": [ASIDE | {"raw": "<iq/>"}]}, "over it\n  <iq/>"),
        (
            "queues hold far.test",
            "hold",
            {"domain": "far.test", "stanzas": 1},
            "far.test is held until it is released: 1 stanza kept",
        ),
        (
            "queues release far.test",
            "release",
            {"domain": "far.test", "stanzas": 2},
            "far.test is released: 2 stanzas kept for it",
        ),
        (
            "queues drop far.test",
            "drop",
            {"domain": "far.test", "stanzas": 2},
            "for far.test; their senders get no error",
        ),
        ("close far.test", "close", {"domain": "far.test", "closed": 2}, "closed 2 streams with far.test"),
        (
            "retry far.test",
            "retry",
            {"domain": "far.test", "tried": True, "stanzas": 2},
            "trying far.test now, for 2 stanzas waiting\nfor the outcome: xmpp-gateway explain far.test",
        ),
        ("retry far.test", "retry", {"domain": "far.test", "tried": False}, "the next one will be tried at once"),
        ("reload", "reload", RELOADED, "nothing has changed"),
        ("reload", "reload", RELOADED | {"closed": 1}, "1 stream closed: the new rules do not allow them"),
        ("reload", "reload", RELOADED | {"needs_restart": ["[listen]"]}, "only after a restart: \\[listen\\]"),
        ("reload", "reload", RELOADED | {"nodes": {"b": {"changed": []}}}, "node b: nothing has changed"),
        ("drain", "drain", {"node": "a", "components": 1, "left": 0}, "a stops now; 1 component asked to connect else"),
        ("held", "held", [], "no filter holds anything back"),
        ("held list", "held", [HELD], "7 .* message +90 +far.test +im.test +spam"),
        ("held show 7", "held_show", HELD, "held back by 'spam'.*\nit cannot be decrypted"),
        ("held release 7 8", "held_release", HELD, "(message 7 from far.test to im.test released\n){2}"),
        ("held drop 7", "held_drop", HELD, "dropped; its sender gets no error"),
        ("announce Hi", "announce", {"accounts": 2, "everybody": False}, "being sent to 2 accounts online"),
        ("peers --failing", "peers", [{"state": "quiet"}], "every other domain can be reached"),
    ],
)
def test_what_commands_say(
    config: Path, capsys: pytest.CaptureFixture[str], words: str, action: str, answer: Any, told: str
) -> None:
    with service(config, **{action: lambda **_: answer, "waiting": lambda: WAITING}):
        assert main([*words.split(), "--config", str(config)]) == 0
    assert re.search(told, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "action", "answer", "told"),
    [
        ("reload", "reload", RELOADED | {"faults": ["im.pem is gone"]}, "not in force: im.pem is gone"),
        ("reload", "reload", RELOADED | {"nodes": {"b": {"problem": "no answer"}}}, "node b: no answer"),
        ("drain", "drain", {"node": "a", "components": 0, "left": 3}, "3 stanzas for other nodes could not be handed"),
        (
            "queues show",
            "waiting",
            WAITING | {"condition": "disk full", "sentence": "no room", "remedy": "make room"},
            "OUTBOX disk full: no room; make room",
        ),
    ],
)
def test_what_is_not_well_has_an_exit_status_of_its_own(
    config: Path, capsys: pytest.CaptureFixture[str], words: str, action: str, answer: Any, told: str
) -> None:
    with service(config, **{action: lambda **_: answer}):
        assert main([*words.split(), "--config", str(config)]) == SOMETHING_IS_WRONG
    assert told in capsys.readouterr().out


def test_an_announcement_is_typed_and_has_its_options(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, str]] = []

    def announce(**request: str) -> dict[str, Any]:
        asked.append(request)
        nodes = {"a": {"accounts": 2}, "b": {"problem": "it does not answer"}}
        return {"accounts": 2, "everybody": True, "nodes": nodes}

    monkeypatch.setattr("sys.stdin", io.StringIO("Down at noon\n"))
    with service(config, announce=announce):
        words = ["announce", "--all", "--domain", "im.test", "--subject", "Work", "-", "--config", str(config)]
        assert main(words) == 0
    assert asked == [{"text": "Down at noon", "subject": "Work", "domain": "im.test", "everybody": "yes"}]
    assert capsys.readouterr().out.splitlines() == [
        "being sent to 2 accounts: 2 at node a",
        "those at node b may not get it: it does not answer",
    ]


def test_what_the_service_refuses_is_told_with_its_reason(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(**_: str) -> None:
        raise CommandRefused("there is no stanza 7")

    with service(config, held_release=refuse):
        assert main(["held", "release", "7", "--config", str(config)]) == NOT_DONE
    assert "there is no stanza 7" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["held release", "held drop", "queues hold"])
def test_a_command_that_lacks_a_word_is_wrong(config: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    assert main([*words.split(), "--config", str(config)]) == 2
    assert words in capsys.readouterr().err


def test_programs_get_the_version_of_what_they_read(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(config, peers=lambda: [], status=lambda: STATUS):
        main(["peers", "--json", "--config", str(config)])
        assert json.loads(capsys.readouterr().out) == {"schema": JSON_SCHEMA, "peers": []}
        main(["status", "--json", "--config", str(config)])
    assert json.loads(capsys.readouterr().out) == {"schema": JSON_SCHEMA, **STATUS}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot read"),
        ("[gateway]\n", "does not set the state folder"),
        ("gateway = 5\n", "does not set the state folder"),
        ("[gateway", "does not set the state folder"),
    ],
)
def test_without_a_state_folder_no_service_can_be_asked(
    config: Path, capsys: pytest.CaptureFixture[str], text: str | None, told: str
) -> None:
    if text is None:
        config.unlink()
    else:
        config.write_text(text)
    with pytest.raises(SystemExit) as end:
        main(["status", "--config", str(config)])
    assert end.value.code == NOT_DONE
    assert told in capsys.readouterr().err


def test_without_a_configuration_the_option_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(named: object) -> Path:
        raise NoConfiguration("name one with --config FILE")

    monkeypatch.setattr(configuration, "find_config", nowhere)
    with pytest.raises(SystemExit) as end:
        main(["status"])
    assert end.value.code == 2
    assert "--config FILE" in capsys.readouterr().err


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
        (["log"], ("", ""), "the log level is info"),
        (["log", "debug"], ("debug", ""), "the log level is info"),
        (["log", "debug", "a.test"], ("debug", "a.test"), "a.test: level debug until the restart"),
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


def test_a_route_that_is_due_says_now() -> None:
    assert [next_try(seconds) for seconds in (None, 0, 0.2, 7)] == ["", "", "now", "in 7 s"]


def test_a_reader_that_goes_away_is_no_traceback(config: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with open(writes, "wb") as closed, service(config, status=lambda: STATUS):
        command = [sys.executable, "-m", "gateway.commands", "status", "--config", config]
        environment = os.environ | {"PYTHONUNBUFFERED": ""}  # as in a shell: what is left is written at the end
        ended = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, env=environment, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (1, "")


def imported(*answers: dict[str, Any]) -> Callable[..., Any]:
    """The service has taken over some stanzas with each of these answers."""
    left = iter(answers)
    return lambda path: next(left)


def test_an_outbox_is_imported_until_nothing_is_left(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = config.with_name("lost")
    answers = [{"stanzas": 500, "complete": False, "left": 7}, {"stanzas": 7, "complete": True, "left": 0}]
    with service(config, import_outbox=imported(*answers)):
        assert main(["outbox", "import", str(place), "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"507 stanzas of {place} will be sent from here\n", "500 stanzas moved, 7 left\n")


def test_what_has_no_room_here_is_told_and_is_an_exit_status(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with service(config, import_outbox=imported({"stanzas": 3, "complete": True, "left": 2})):
        assert main(["outbox", "import", "lost.db", "--config", str(config)]) == SOMETHING_IS_WRONG
    assert "2 stanzas could not be moved, because there is no room here" in capsys.readouterr().out


def test_an_outbox_is_imported_by_the_service_only(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["outbox", "import", "lost.db", "--config", str(config)]) == NOT_RUNNING
    assert "the service is not running" in capsys.readouterr().err
