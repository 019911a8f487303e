"""The throw-away authority: what it writes to disk, which OpenSSL must take as it is."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest

from gateway.net.certificates.own_certificates import load_identity
from gateway.net.certificates.trust_store import TrustStore
from tests.support.throwaway_ca import Authority, srv, xmpp


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    issued = Authority.create().issue("example.test")
    (tmp_path / "old.pem").write_text("an older file, readable for all")
    (tmp_path / "old.pem").chmod(0o644)
    both = issued.save(tmp_path / "old.pem")
    certificate = issued.save(tmp_path / "cert.pem", tmp_path / "cert.key")
    modes = {file.name: file.stat().st_mode & 0o777 for file in (both, tmp_path / "cert.key")}
    assert modes == {"old.pem": 0o600, "cert.key": 0o600}
    assert b"PRIVATE KEY" not in certificate.read_bytes()
    assert "PrivateKey" not in repr(issued)


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    authority = Authority.create("Demo CA")
    trust = TrustStore.load(authority.save(tmp_path / "ca.pem"))
    assert authority.certificate in trust
    assert load_identity(authority.issue("example.test").save(tmp_path / "example.pem")).names.dns == ("example.test",)


@pytest.mark.skipif(which("openssl") is None, reason="the openssl command is not installed")
@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_openssl_verifies_what_is_issued_for_both_directions(tmp_path: Path, purpose: str) -> None:
    authority = Authority.create("Demo CA")
    names = ("example.test", srv("_xmpp-server.example.test"), xmpp("example.test"))
    issued = authority.intermediate().issue(*names)
    trusted, shown = authority.save(tmp_path / "ca.pem"), issued.save(tmp_path / "cert.pem")
    command = ["openssl", "verify", "-x509_strict", "-purpose", purpose, "-CAfile", trusted, "-untrusted", shown, shown]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
