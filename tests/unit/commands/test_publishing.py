"""`xmpp-gateway dane` and `posh`: what to publish for one of our domains."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from gateway.commands import main
from gateway.net.certificates.dane import association, judge_by_tlsa
from gateway.net.certificates.posh import judge_by_posh, read_posh
from gateway.net.dns.tlsa import TLSASet, read_tlsa
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW, trusting
from tests.support.configuration import Folder

CONFIGURATION = """
[gateway]
state = "state"
[listen]
server = ["tcp:5269", "tcp6:5269"]
server_tls = ["tcp:port=5270:interface=127.0.0.1"]
[domains."im.test"]
serve = "im"
certificate = "im.test.pem"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    folder = Folder(tmp_path)
    folder.certify("im.test")
    return folder.write(CONFIGURATION)


def shown(file: Path) -> tuple[x509.Certificate, ...]:
    return tuple(x509.load_pem_x509_certificates((file.parent / "im.test.pem").read_bytes()))


def test_the_records_prove_our_certificate(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dane", "--config", str(file), "--host", "xmpp.im.test", "im.test"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["_5269._tcp.xmpp.im.test.", "_5270._tcp.xmpp.im.test."]
    usage, selector, matching, digest = lines[0].split()[3:]
    assert (usage, selector, matching) == ("3", "1", "1")
    record = read_tlsa(bytes([3, 1, 1]) + bytes.fromhex(digest))
    assert record is not None
    tlsa = TLSASet(name="_5269._tcp.xmpp.im.test", records=(record,), hosts=("im.test",))
    said = judge_by_tlsa(Domain("im.test"), shown(file), tlsa, trust=trusting(), moment=NOW)
    assert said is not None
    assert not said.problem
    assert association(shown(file)[0], 1, 1) == record.data


def test_the_document_proves_our_certificate(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["posh", "--config", str(file), "--expires", "600", "im.test"]) == 0
    printed = capsys.readouterr()
    document = read_posh(printed.out.encode())
    said = judge_by_posh(Domain("im.test"), shown(file), document, "https://im.test/")
    assert said is not None
    assert not said.problem
    assert document.seconds == 600
    assert "https://im.test/.well-known/posh/xmpp-server.json" in printed.err


@pytest.mark.parametrize("command", ["dane", "posh"])
@pytest.mark.parametrize(("domain", "why"), [("far.test", "not one of our domains"), ("not a domain", "")])
def test_a_domain_that_is_not_ours_is_an_error(
    file: Path, capsys: pytest.CaptureFixture[str], command: str, domain: str, why: str
) -> None:
    assert main([command, "--config", str(file), domain]) != 0
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("command", ["dane", "posh"])
def test_a_domain_without_a_certificate_is_an_error(
    file: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file.write_text(CONFIGURATION.replace('certificate = "im.test.pem"', ""))
    assert main([command, "--config", str(file), "im.test"]) == 1
    assert f"im.test has no certificate: see [domains] in {file}" in capsys.readouterr().err


def test_records_need_a_port(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listen = 'server = ["tcp:5269", "tcp6:5269"]\nserver_tls = ["tcp:port=5270:interface=127.0.0.1"]'
    file.write_text(CONFIGURATION.replace(listen, 'server = ["unix:s2s"]'))
    assert main(["dane", "--config", str(file), "im.test"]) == 1
    assert "no port is open for servers ([listen]): give one with --port" in capsys.readouterr().err
    assert main(["dane", "--config", str(file), "--port", "5", "im.test"]) == 0
    assert capsys.readouterr().out.startswith("_5._tcp.im.test. IN TLSA 3 1 1 ")
