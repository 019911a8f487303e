"""`xmpp-gateway check`: the report on mistakes, and the summary of what would be served."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.commands import main
from gateway.commands.check import CHECK_SCHEMA, summary
from gateway.config import Mistakes, load
from gateway.config.advice import warnings
from gateway.outbox.database import KIND as OUTBOX
from gateway.storage.files import ACCOUNTS, open_file
from tests.support.configuration import Folder
from tests.support.postgresql import PASSWORD, SECRETIVE, Postgresql
from tests.support.throwaway_ca import Authority, self_signed

EVERYTHING = """
[gateway]
state = "state"

[listen]
server = ["tcp:5269"]
component = ["tcp:5347:interface=127.0.0.1"]
inside = ["tcp:5279:interface=127.0.0.1"]
client = ["tcp:5222"]

[domains."im.test"]
serve = "im"
certificate = "im.test.pem"

[domains."c.test"]
serve = "component"
secret = "a secret of more than sixteen"

[domains."r.test"]
serve = "relay"
connect = "tcp:127.0.0.9:5269"
require_tls = false
authenticate = ["dialback"]

[peers."prosody.test"]
connect = "tcp:127.0.0.2:5269"

[peers."*.spam.test"]
allow = false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.certify("im.test", "r.test")
    return folder


def check(file: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines that `check` prints for a configuration without mistakes, less what depends on the machine."""
    assert main(["check", "--config", str(file)]) == 0
    printed = capsys.readouterr().out.splitlines()
    return [line for line in printed if "the XML parser of this Python" not in line and "DNSSEC" not in line]


def test_summary_tells_what_would_be_served(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.complete(EVERYTHING)
    until = f"{folder.authority.moment + timedelta(days=90):%Y-%m-%d}"
    assert check(file, capsys) == [
        f"domains   im.test  accounts; certificate im.test.pem, valid until {until}",
        f"          c.test   an external component; a certificate for other names im.test.pem, valid until {until}",
        "          r.test   a server behind us at tcp:127.0.0.9:5269, proved by dialback, also without TLS;"
        f" certificate im.test.pem, valid until {until}",
        "doors     server     tcp:5269",
        "          client     tcp:5222",
        "          component  tcp:5347:interface=127.0.0.1",
        "          inside     tcp:5279:interface=127.0.0.1",
        "peers     any           proved by external or dane or dialback, over TLS",
        "          *.spam.test   refused",
        "          prosody.test  at tcp:127.0.0.2:5269, proved by external or dane or dialback, over TLS",
        "warnings  c.test has no certificate: it can prove itself to other servers by dialback only",
        f"{file} is in order",
    ]


def test_mistakes_are_reported_and_the_exit_status_is_1(folder: Folder) -> None:
    file = folder.complete("[limits]\ndepht = 5\n[log]\nlevel = 'loud'")
    program = Path(sys.executable).with_name("xmpp-gateway")
    ended = subprocess.run(
        [program, "check", "--config", file], capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert [line.split(": ")[1] for line in ended.stderr.splitlines()[:-1]] == ["limits.depht", "log.level"]


def test_a_state_folder_that_cannot_be_used_is_a_mistake(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.complete(IM)
    state = folder.path / "state"

    def told() -> str:
        assert main(["check", "--config", str(file)]) == 1
        return capsys.readouterr().err

    state.symlink_to("elsewhere")
    assert f"{state} is a link that leads nowhere: remove it, or make elsewhere" in told()
    state.unlink()
    state.mkdir(mode=0o700)
    (state / "dialback.secret").symlink_to("dialback.secret")
    assert f"cannot use {state / 'dialback.secret'}: Too many levels of symbolic links" in told()
    (state / "dialback.secret").unlink()
    (state / "dialback.secret").mkdir()
    assert f"{state / 'dialback.secret'} is not a file: move it out of the way" in told()


def test_a_state_folder_that_others_can_read_is_a_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder.complete(IM)
    (folder.path / "state").mkdir(mode=0o755)
    printed = "\n".join(check(file, capsys))
    assert "is open to other users: chmod 700" in printed


OPEN = '[listen]\nserver = ["tcp:5269"]\n'
IM = f'{OPEN}client = ["tcp:5222"]\n[domains."im.test"]\nserve = "im"\ncertificate = "im.test.pem"\n'
COMPONENT = '[domains."c.test"]\nserve = "component"\nsecret = "a secret of more than sixteen"\n'


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (IM, None),
        (IM.replace('client = ["tcp:5222"]', ""), "nobody can log in to the accounts: neither"),
        (IM.replace('certificate = "im.test.pem"', ""), "im.test has no certificate"),
        (f"{IM}{COMPONENT}", "no component can attach: neither listen.component nor listen.component_tls is set"),
        (f"{IM}{COMPONENT}".replace("a secret of more than sixteen", "short"), "shorter than 16 characters"),
        (f'{IM}[domains."r.test"]\nserve = "relay"\nconnect = "tcp:127.0.0.1:1"', "listen.inside is not set"),
        (f'{IM}[peers."im.test"]\nallow = false', 'peers."im.test" is never used'),
        (IM.replace("client =", 'http = ["tcp:5280"]\nclient ='), "listen.http: tcp:5280 can be reached from other"),
        (IM.replace("client =", 'http = ["tcp:1:interface=\\\\:\\\\:1"]\nclient ='), None),
        (IM.replace("client =", 'http = ["tcp:1:interface=127.0.0.9"]\nclient ='), None),
        (IM.replace("client =", 'http = ["unix:/run/http"]\nclient ='), None),
        (
            f'{IM}[tls]\nauthorities = "ca.pem"\nciphers = "ECDHE+AESGCM:NO-SUCH"',
            "this OpenSSL does not know NO-SUCH and",
        ),
        (f'{IM}[tls]\nauthorities = "ca.pem"\nciphers = "ECDHE+AESGCM:!aNULL"', None),
        (f'{IM}[outbox]\nurl = "memory:"', 'outbox.url is "memory:", so waiting stanzas are lost'),
        (f'{IM}[outbox]\nurl = "memory:"\n[peers.any]\nkeep = "no"', None),
        (f"{IM}[outbox]\nbytes = {1 << 60}", f"outbox.bytes is {1 << 60}, but the disk"),
        (IM.partition("[domains")[1] + IM.partition("[domains")[2], "no port is open"),
    ],
    ids=lambda value: str(value)[-40:].replace("\n", " "),
)
def test_warnings(folder: Folder, capsys: pytest.CaptureFixture[str], text: str, warning: str | None) -> None:
    told = [line for line in check(folder.complete(text), capsys) if "c.test: other servers" not in line]
    if warning is None:
        assert not any(line.startswith("warnings") for line in told)
    else:
        assert any(warning in line for line in told)


def test_key_that_everybody_may_read_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    key = folder.path / "outbox.key"
    key.write_bytes(bytes(32))
    key.chmod(0o644)
    text = f'{IM}[outbox]\nkey_file = "outbox.key"\n'
    assert any("can read the outbox key: chmod 600" in line for line in check(folder.complete(text), capsys))
    key.chmod(0o600)
    assert not any("can read the outbox key" in line for line in check(folder.complete(text), capsys))


def test_certificate_that_expires_soon_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    ends = datetime.now(UTC) + timedelta(days=3)
    folder.authority.issue("im.test", ends=ends).save(folder.path / "im.test.pem")
    told = check(folder.complete(IM), capsys)
    assert any(f"im.test.pem expires on {ends:%Y-%m-%d}" in line for line in told)


def test_expired_certificate_does_not_keep_the_service_from_starting(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.authority.issue("im.test", ends=datetime.now(UTC) - timedelta(hours=1)).save(folder.path / "im.test.pem")
    assert any("im.test.pem expired on" in line for line in check(folder.complete(IM), capsys))


def test_a_certificate_that_cannot_be_used_does_not_stop_the_other_domains(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder.complete(f'{IM}[domains."b.test"]\nserve = "im"\ncertificate = "missing.pem"\n')
    assert main(["check", "--config", str(file)]) == 1
    told = capsys.readouterr().err
    assert f'gateway.toml:9: domains."b.test".certificate: cannot read {folder.path}/missing.pem' in told
    assert "the service can start anyway" in told
    assert [each.key for each in load(file).faults] == ['domains."b.test".certificate']


def test_without_any_certificate_that_can_be_used_the_service_does_not_start(folder: Folder) -> None:
    with pytest.raises(Mistakes, match=r"missing\.pem"):
        load(folder.complete(IM.replace("im.test.pem", "missing.pem")))


@pytest.mark.busy("compares processor times")
def test_many_domains_of_one_certificate_are_checked_in_linear_time(folder: Folder) -> None:
    names = [f"d{number}.test" for number in range(300)]
    folder.certify(*names)

    def seconds(count: int) -> float:
        tables = [
            f'[domains."{each}"]\nserve = "gateway.handlers.echo.Echo"\ncertificate = "{names[0]}.pem"\n'
            for each in names[:count]
        ]
        file = folder.complete("".join([OPEN, *tables]))
        begin = time.process_time()
        assert len(list(summary(load(file), datetime.now(UTC)))) > count
        return time.process_time() - begin

    assert any(
        seconds(300) < 40 * seconds(30) for _ in range(4)
    )  # it was 100 times as much when each domain looked at the names of all others


def test_secrets_that_everybody_may_read_are_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    secret, key = folder.path / "secret", folder.path / "im.test.pem"
    secret.write_text("a secret of more than sixteen\n")
    for path in (secret, key):
        path.chmod(0o644)
    file = folder.complete(f'{IM}[domains."c.test"]\nserve = "component"\nsecret_file = "secret"')
    told = check(file, capsys)
    assert any(line.endswith(f"can read the secrets in {secret}: chmod o= {secret}") for line in told)
    assert any(f"private key in {key}" in line for line in told)


@pytest.mark.parametrize(("version", "told"), [((2, 5, 0), True), ((2, 6, 0), False), ((2, 7, 3), False)])
def test_h_32_old_expat_is_told(folder: Folder, version: tuple[int, int, int], told: bool) -> None:
    found = warnings(load(folder.complete(IM)), datetime.now(UTC), expat=version)
    assert any("CVE-2023-52425" in warning for warning in found) is told


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["check", "--no-such-option"]])
def test_wrong_usage_is_told_with_exit_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "usage: xmpp-gateway" in capsys.readouterr().err


def chain_warning(folder: Folder, capsys: pytest.CaptureFixture[str]) -> str:
    return next((line for line in check(folder.complete(IM), capsys) if "warnings" in line), "")


def test_authorities_that_cannot_be_read_are_told_once(folder: Folder) -> None:
    settings = load(folder.complete(IM))
    file = settings.tls.authorities
    assert file is not None
    file.write_text("no certificate")
    found = [warning for warning in warnings(settings, datetime.now(UTC)) if "authorit" in warning]
    assert len(found) == 1
    assert found[0].startswith(f"no certificate of an authority in {file}")


def test_chain_without_its_intermediate_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    issued = folder.authority.intermediate().issue("im.test")
    issued.save(folder.path / "im.test.pem")
    assert chain_warning(folder, capsys) == ""
    replace(issued, chain=issued.chain[:1]).save(folder.path / "im.test.pem")
    assert "im.test.pem is incomplete, or its authority is not trusted here" in chain_warning(folder, capsys)


def test_certificate_that_only_vouches_for_itself_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    self_signed("im.test").save(folder.path / "im.test.pem")
    assert "im.test.pem is self-signed" in chain_warning(folder, capsys)


def test_chain_that_leads_to_an_unknown_root_is_told(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    other = Authority.create("Another authority")
    issued = other.issue("im.test")
    replace(issued, chain=(issued.certificate, other.certificate)).save(folder.path / "im.test.pem")
    assert "leads to 'Another authority', which is not among our authorities" in chain_warning(folder, capsys)


def check_json(file: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["check", "--json", "--config", str(file)])
    return status, json.loads(capsys.readouterr().out)


def test_programs_read_what_would_be_served(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = check_json(folder.complete(EVERYTHING), capsys)
    assert (status, report["schema"], report["ok"], report["mistakes"]) == (0, CHECK_SCHEMA, True, [])
    assert [each["domain"] for each in report["domains"]] == ["im.test", "c.test", "r.test"]
    assert {"door": "server", "endpoint": "tcp:5269"} in report["doors"]
    assert [each["pattern"] for each in report["peers"]] == ["any", "*.spam.test", "prosody.test"]
    assert any("c.test has no certificate" in warning for warning in report["warnings"])
    assert set(report) == documented_members()


def test_programs_read_mistakes(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    status, report = check_json(folder.complete("[limits]\ndepht = 5"), capsys)
    assert (status, report["ok"]) == (1, False)
    (mistake,) = report["mistakes"]
    assert (mistake["key"], mistake["line"]) == ("limits.depht", 2)
    assert "depth" in mistake["problem"]


def documented_members() -> set[str]:
    """The members of the report that docs/operating.md has."""
    text = (Path(__file__).parents[3] / "docs" / "operating.md").read_text()
    table = text.partition("### The report of `check --json`")[2].partition("\n#")[0]
    return {name for line in table.splitlines() for name in re.findall(r"^\| `(\w+)` \|", line)}


def test_a_server_is_asked_whether_it_lets_us_in(
    folder: Folder, postgresql: Postgresql, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = postgresql.url(), postgresql.url_of("public", user=SECRETIVE, password=PASSWORD[::-1])
    main(["check", "--config", str(folder.complete(f'[storage]\nurl = "{good}"\n[outbox]\nurl = "{bad}"\n'))])
    told = capsys.readouterr().out
    assert "databases storage  postgresql://gateway@/gateway can be used" in told
    assert "outbox   cannot use postgresql://secretive@/gateway: " in told
    assert "password authentication failed" in told
    assert PASSWORD[::-1] not in told


def test_programs_read_which_server_does_not_let_us_in(
    folder: Folder, postgresql: Postgresql, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = postgresql.url_of("public", user=SECRETIVE, password=PASSWORD[::-1])
    status, report = check_json(
        folder.complete(f'[storage]\nurl = "{postgresql.url()}"\n[outbox]\nurl = "{bad}"\n'), capsys
    )
    problems = {each["section"]: each["problem"] for each in report["databases"]}
    assert (status, report["ok"], problems["storage"]) == (0, True, "")
    assert "password authentication failed" in problems["outbox"]


@pytest.mark.parametrize("section", ["storage", "outbox"])
def test_a_database_that_cannot_be_opened_is_told_before_the_start(
    folder: Folder, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder.path / "state" / {"storage": "gateway.db", "outbox": "outbox.db"}[section]
    file.parent.mkdir(mode=0o700)
    open_file(file, {"storage": ACCOUNTS, "outbox": OUTBOX}[section]).close()
    config = folder.complete(EVERYTHING)
    status, report = check_json(config, capsys)
    assert (status, {each["problem"] for each in report["databases"]}) == (0, {""})
    content = file.read_bytes()
    file.write_bytes(content[:100] + bytes(len(content) - 100))
    status, report = check_json(config, capsys)
    (mistake,) = report["mistakes"]
    assert (status, mistake["key"]) == (1, f"{section}.url")
    assert str(file) in mistake["problem"]
    assert "restore it from a backup" in mistake["problem"]
    assert main(["check", "--config", str(config)]) == 1
    assert str(file) in capsys.readouterr().err
    assert {each.name for each in file.parent.iterdir()} == {file.name}
