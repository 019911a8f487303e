"""Reports on servers, as lines for people: of `interop`, and of `check --world`."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import INTERRUPTED, interop, main, world
from gateway.commands.telling import WIDTH
from gateway.findings.facts import SeenDomain
from gateway.findings.report import compared
from gateway.findings.world import OpenPort, SeenOwn, world_report
from tests.support.configuration import Folder
from tests.unit.findings.seen import DOMAIN, certificate, domain, endpoint, lookup, names, server
from tests.unit.findings.test_forms import record

NOT_DONE = 1
HOSTILE = "\x1b[2J\nremedy:     pay " + "them " * 30


def wrong(problem: str, from_: str = "other.test") -> SeenDomain:
    stream = replace(endpoint().stream, from_=from_)
    found = endpoint(stream=stream, certificate=certificate(reason="expired", problem=problem))
    return domain(found, names=names(server(six=lookup("AAAA", f"xmpp.{DOMAIN}"))))


def in_one(lines: list[str]) -> str:
    """Return what was folded."""
    return " ".join(" ".join(lines).split())


def test_every_finding_is_told_with_what_to_do_about_those_that_are_wrong() -> None:
    report = record(wrong("on Monday"))
    told = in_one(list(interop.lines(report)))
    assert {each["level"] for each in report["findings"]} >= {"broken", "note", "good"}
    for each in report["findings"]:
        assert f"{each['title']} ({each['id']})" in told
        if each["level"] in ("broken", "flaw"):
            assert f"whose side: {each['side']} remedy: {each['remedy']}" in told
    counts = report["counts"]
    assert told.count("remedy:") == counts["broken"] + counts["flaw"]
    assert f"{counts['broken']} broken" in told
    assert "it took 2 s" in told


def test_a_report_is_as_narrow_as_a_screen_and_obeys_nobody() -> None:
    seen = wrong(HOSTILE, HOSTILE)
    report = record(seen)
    report["changes"] = [asdict(each) for each in compared(report, record(wrong("since\x07Monday")))]
    lines = [*interop.lines(report), *world.lines(world_report(SeenOwn(seen=seen)))]
    assert max(map(len, lines)) <= WIDTH
    assert all(line.isprintable() for line in lines)
    assert not [line for line in lines if line.lstrip().startswith("remedy:     pay")]


def test_the_changes_since_an_earlier_report_are_told() -> None:
    now, before = record(wrong("on Tuesday")), record(wrong("on Monday"))
    now["changes"] = [asdict(each) for each in compared(now, before)]
    told = in_one(list(interop.lines(now)))
    assert "changes since the earlier report changed certificate-expired at" in told
    assert "before: on Monday now: on Tuesday" in told
    now["changes"] = []
    assert in_one(list(interop.lines(now))).endswith("nothing has changed since the earlier report")
    del now["changes"]
    assert "earlier report" not in in_one(list(interop.lines(now)))


def test_the_rules_for_our_own_domain_are_told_with_what_to_publish() -> None:
    port = OpenPort(service="_xmpps-server._tcp", port=5270)
    report = world_report(SeenOwn(seen=wrong("on Monday"), asked_caa=False, ports=(port,)))
    lines = list(world.lines(report))
    told = in_one(lines)
    states = {line[7:26].strip(): line[2:6].strip() for line in lines if line[2:6].strip() in ("ok", "RED", "?")}
    assert states == {each.rule.name: world.MARKS[each.state] for each in report.results}
    assert {"ok", "RED", "?"} == set(states.values())
    for rule in report.as_record()["rules"]:
        for each in rule["findings"]:
            assert f"{each['level']}: {each['title']} ({each['id']})" in told
            assert (f"{each['observed']} {each['remedy']}".strip() in told) == (each["level"] != "note")
    assert f"to publish in the DNS: _xmpps-server._tcp.{DOMAIN}. 3600 IN SRV 0 5 5270" in told


def earlier(folder: Path, content: Any) -> str:
    file = folder / "old.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "Expecting property name"),
        ({"findings": [], "schema": 1, "domain": "other.test"}, "it is about other.test"),
    ],
)
def test_a_report_that_cannot_be_compared_is_told_before_anything_is_looked_at(
    tmp_path: Path, content: Any, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["interop", "--compare", earlier(tmp_path, content), DOMAIN]) == NOT_DONE
    assert capsys.readouterr().err.startswith(f"xmpp-gateway: cannot compare with {tmp_path}/old.json: {why}")


@pytest.mark.parametrize("command", ["interop", "probe", "login"])
def test_what_is_no_domain_is_told(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "a b@not a domain"]) == NOT_DONE
    assert capsys.readouterr().err.startswith("xmpp-gateway: ")


CONFIGURATION = """
[gateway]
state = "state"
[tls]
authorities = "ca.pem"
[dns]
nameservers = ["127.0.0.1:{port}"]
hosts_file = "/dev/null"
[domains."{domain}"]
serve = "echo"
"""


@pytest.mark.parametrize("words", [["interop"], ["check", "--world"]], ids=" ".join)
def test_a_look_that_is_interrupted_reports_nothing(tmp_path: Path, words: list[str]) -> None:
    folder = Folder(tmp_path)
    folder.certify(DOMAIN)
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        file = folder.write(CONFIGURATION.format(port=silent.getsockname()[1], domain=DOMAIN))
        # Where this process ignores the signal, as under nohup, the command would ignore it, too.
        command = ["env", "--default-signal=INT", sys.executable, "-m", "gateway.commands"]
        command += [*words, "--config", str(file)]
        if words == ["interop"]:
            command.append("elsewhere.test")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as looking:
            silent.recv(1000)  # it asks, and waits for an answer
            looking.send_signal(signal.SIGINT)
            out, err = looking.communicate(timeout=60)
    assert looking.returncode == INTERRUPTED
    assert "Traceback" not in err
    assert "well" not in out
    assert " ok " not in out
