"""What is read into a trust store, and what an operator is told about the rest."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.certificates import trust_store as module
from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.trust_store import TrustStore, name_of, signed_by, system_authorities
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.errors import ConfigError
from tests.support.ca import NOW, authority, revocations, trusting
from tests.support.throwaway_ca import DAY, self_signed

EXAMPLE = prepare_domain("example.test")


def test_file_with_authorities_and_revocations(tmp_path: Path) -> None:
    bad = authority().issue("bad.test")
    bundle = tmp_path / "all.pem"
    certificates = b"".join(authority(name).issued.pem for name in ("Test CA", "Second CA"))
    bundle.write_bytes(b"some words before\n" + certificates + authority().revoke(bad.certificate))
    trust = TrustStore.load(bundle)
    assert str(trust) == f"2 authorities and 1 revocation lists of {bundle}"
    assert (authority("Second CA").certificate in trust, bad.certificate in trust) == (True, False)
    assert CertificateJudge(trust).judge(bad.chain, NOW).reason is Reason.REVOKED


def test_folder_is_read_file_by_file_and_each_certificate_once(tmp_path: Path) -> None:
    authority().save(tmp_path / "one.pem")
    authority("Second CA").save(tmp_path / "two.crt")
    (tmp_path / "9d66eef0.0").symlink_to(tmp_path / "one.pem")
    (tmp_path / "bundle.crt").write_bytes((tmp_path / "one.pem").read_bytes() * 3)
    (tmp_path / "inner").mkdir()
    trust = TrustStore.load(tmp_path)
    assert len(trust.authorities) == 2
    assert trust.problems == ()


def test_revocations_may_stand_in_a_place_of_their_own(tmp_path: Path) -> None:
    lists = tmp_path / "revoked"
    lists.mkdir()
    (lists / "test.crl").write_bytes(authority().revoke())
    trust = TrustStore.load(authority().save(tmp_path / "ca.pem"), lists)
    assert len(trust.revocation_lists) == 1


def test_what_cannot_be_used_is_named_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority().save(tmp_path / "good.pem")
    (tmp_path / "bad.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    (tmp_path / "dangling.pem").symlink_to(tmp_path / "nowhere")
    (tmp_path / "long.pem").write_bytes(b"x" * 5000)
    (tmp_path / "readme").write_text("nothing in here")
    monkeypatch.setattr(module, "MOST_BYTES", 4000)
    trust = TrustStore.load(tmp_path)
    assert len(trust.authorities) == 1
    assert [problem.removeprefix("cannot read ")[len(str(tmp_path)) :] for problem in trust.problems[1:]] == [
        "/long.pem was left out: it is longer than 4000 bytes",
        "/nowhere: No such file or directory",
        "/readme was left out: it holds neither a certificate nor a revocation list in PEM",
    ]
    assert trust.problems[0].startswith(f"block 1 of {tmp_path}/bad.pem was left out: ")


@pytest.mark.parametrize(
    ("part", "other"),
    [
        (bytes.fromhex("0603551d0f"), bytes.fromhex("0603551d13")),
        (bytes.fromhex("a003020102"), bytes.fromhex("a003020105")),
    ],
    ids=["an extension twice", "no such version"],
)
def test_certificate_that_the_library_refuses_is_left_out(tmp_path: Path, part: bytes, other: bytes) -> None:
    authority().save(tmp_path / "good.pem")
    der = authority("Second CA").certificate.public_bytes(Encoding.DER)
    assert part in der
    (tmp_path / "odd.pem").write_text(ssl.DER_cert_to_PEM_cert(der.replace(part, other)))
    trust = TrustStore.load(tmp_path)
    assert trust.authorities == (authority().certificate,)
    (problem,) = trust.problems
    assert problem.startswith(f"block 1 of {tmp_path}/odd.pem was left out: ")


@pytest.mark.parametrize(
    "content", [None, b"", b"no certificate", authority().revoke()], ids=["missing", "empty", "text", "list"]
)
def test_no_authority_at_all_is_a_mistake(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as mistake:
        TrustStore.load(file)
    assert mistake.value.key == "authorities"
    assert mistake.value.problem.startswith(f"no certificate of an authority in {file}")


def test_folder_with_too_many_files_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_FILES", 2)
    for number in range(3):
        authority().save(tmp_path / f"{number}.pem")
    with pytest.raises(ConfigError, match="holds 3 files, more than 2"):
        TrustStore.load(tmp_path)


@pytest.mark.skipif(not Path("/etc/ssl/certs/ca-certificates.crt").exists(), reason="no authorities on this machine")
def test_folder_that_cannot_be_listed_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> list[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)  # root may list every folder
    with pytest.raises(ConfigError, match=f"cannot read the folder {tmp_path}: Permission denied"):
        TrustStore.load(tmp_path)


def test_system_without_authorities_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = ssl.get_default_verify_paths()._replace(cafile=None, capath=str(tmp_path / "none"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    with pytest.raises(ConfigError, match="install ca-certificates"):
        system_authorities()
    (tmp_path / "none").mkdir()
    assert system_authorities() == tmp_path / "none"


def test_list_of_an_authority_whose_key_cannot_sign_revokes_nothing() -> None:
    """An authority may have a key for the agreement of keys alone."""
    issuer = authority()
    agreeing = x25519.X25519PrivateKey.generate().public_key()
    now, name = NOW, issuer.certificate.subject
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(agreeing).serial_number(7)
    odd = builder.not_valid_before(now).not_valid_after(now + DAY).sign(issuer.issued.key, SHA256())
    assert not signed_by(revocations(issuer.revoke()), odd)
    assert signed_by(revocations(issuer.revoke()), issuer.certificate)


def test_authorities_of_the_system() -> None:
    trust = TrustStore.load()
    assert trust.source == str(system_authorities())
    assert len(trust.authorities) > 50
    assert trust.problems == ()


def test_generation_tells_what_is_trusted_and_revoked(tmp_path: Path) -> None:
    file = authority().save(tmp_path / "ca.pem")
    first = TrustStore.load(file)
    assert TrustStore.load(file).generation == first.generation
    more = replace(first, revocation_lists=(revocations(authority().revoke()),))
    assert len({first.generation, more.generation, trusting(authority("Second CA")).generation}) == 3


def test_list_is_stale_when_its_successor_is_overdue() -> None:
    revoked = revocations(authority().revoke(moment=NOW, lasting=7 * DAY))
    trust = replace(trusting(), revocation_lists=(revoked,))
    assert trust.stale_lists(NOW + 7 * DAY - timedelta(seconds=1)) == ()
    assert trust.stale_lists(NOW + 7 * DAY) == (
        "the revocation list of 'Test CA' is stale: the next one was due on 2026-06-22",
    )


def test_certificate_of_a_server_may_be_trusted_itself() -> None:
    pinned = self_signed("example.test", moment=NOW)
    judge = CertificateJudge(TrustStore(authorities=(pinned.certificate,)))
    assert judge.judge(pinned.chain, NOW).valid
    assert judge.judge(pinned.chain, NOW + 365 * DAY).reason is Reason.EXPIRED
    assert judge.judge(self_signed("example.test", moment=NOW).chain, NOW).reason is Reason.SELF_SIGNED


def test_trusted_certificate_of_a_server_may_call_itself_an_authority() -> None:
    """`openssl req -x509` makes such ones; who lists one as trusted means it."""
    said = [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("example.test")]),
    ]
    pinned = authority().intermediate("example.test", extensions=said).issued
    assert CertificateJudge(TrustStore(authorities=(pinned.certificate,))).judge(pinned.chain[:1], NOW).proves(EXAMPLE)
    assert CertificateJudge(trusting()).judge(pinned.chain, NOW).reason is Reason.WRONG_PURPOSE


def test_name_of_an_authority_is_safe_to_log() -> None:
    assert name_of(authority("Evil\nCA\x1b[2J").certificate.subject) == r"'Evil\nCA\x1b[2J'"
