"""Our certificates as operators have them on disk: what is refused, what is only warned of, which one is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, x25519

from gateway.net.certificates import own_certificates as module
from gateway.net.certificates.own_certificates import Keyring, key_exposure, load_identity
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.errors import ConfigError
from tests.support.ca import NOW, authority, rsa_key
from tests.support.throwaway_ca import DAY, LIFETIME, Issued, srv, xmpp
from tests.support.tls import identity

EXAMPLE = prepare_domain("example.test")


def issued() -> Issued:
    return authority().intermediate().issue("example.test", "*.example.test", "xn--bcher-kva.test")


def pem(key: object, encryption: object = None) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption or serialization.NoEncryption()
    )


@pytest.mark.parametrize("separate", [False, True])
def test_chain_and_key_are_read_from_one_file_or_two(tmp_path: Path, separate: bool) -> None:
    key_file = tmp_path / "example.key" if separate else None
    ours = issued()
    loaded = load_identity(ours.save(tmp_path / "example.pem", key_file), key_file)
    assert loaded.chain == ours.chain
    assert loaded.key_file == (key_file or tmp_path / "example.pem")
    assert loaded.not_after == NOW + LIFETIME
    domains = ["example.test", "chat.example.test", "bücher.test", "other.test"]
    assert [loaded.covers(prepare_domain(domain)) for domain in domains] == [True, True, True, False]
    assert loaded.warnings(NOW) == ()


def test_key_before_the_certificates_is_as_good(tmp_path: Path) -> None:
    ours = issued()
    (tmp_path / "all.pem").write_bytes(ours.key_pem + ours.pem)
    assert load_identity(tmp_path / "all.pem").chain == ours.chain


@dataclass(frozen=True)
class Mistake:
    """The content of `certificate`, and of `key` if that is another file; which of the two keys is blamed."""

    situation: str
    files: Callable[[], tuple[bytes | None, bytes | None]]
    key: str
    problem: str


def reversed_chain() -> tuple[bytes, None]:
    ours = issued()
    return Issued(chain=ours.chain[::-1], key=ours.key).pem + ours.key_pem, None


def encrypted_key() -> tuple[bytes, None]:
    ours = issued()
    return ours.pem + pem(ours.key, serialization.BestAvailableEncryption(b"secret")), None


MISTAKES = [
    Mistake("no file", lambda: (None, None), "certificate", "cannot read {certificate}: No such file or directory"),
    Mistake("no key file", lambda: (issued().pem, b""), "key", "{key} holds no private key in PEM"),
    Mistake("empty", lambda: (b"", None), "certificate", "{certificate}: holds no certificate in PEM"),
    Mistake(
        "only a key", lambda: (issued().key_pem, None), "certificate", "{certificate}: holds no certificate in PEM"
    ),
    Mistake("only a certificate", lambda: (issued().pem, None), "key", "{certificate} holds no private key in PEM"),
    Mistake(
        "another's key",
        lambda: (issued().pem, issued().key_pem),
        "key",
        "the private key in {key} does not belong to the certificate in {certificate}",
    ),
    Mistake(
        "authority before the certificate",
        reversed_chain,
        "certificate",
        "{certificate}: certificate 1 ('Throw-away Intermediate') is not signed by the one after it ('example.test'); "
        "put our own first, then each one's authority",
    ),
    Mistake(
        "encrypted key",
        encrypted_key,
        "key",
        "the private key in {certificate} is encrypted: store it without a passphrase",
    ),
    Mistake(
        "key of another kind",
        lambda: (issued().pem, pem(x25519.X25519PrivateKey.generate())),
        "key",
        "the private key in {key} is of a type that TLS does not use",
    ),
    Mistake(
        "DSA key",
        lambda: (issued().pem, pem(dsa.generate_private_key(2048))),
        "key",
        "the private key in {key} is of a type that TLS does not use",
    ),
    Mistake(
        "RSA key that OpenSSL finds too small",
        lambda: ((small := authority().issue("example.test", key=rsa_key(1024))).pem, small.key_pem),
        "certificate",
        "OpenSSL refuses {certificate}: ee key too small",
    ),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.situation)
def test_mistake_is_told_in_words(tmp_path: Path, mistake: Mistake) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "cert.key"
    contents = mistake.files()
    for file, content in zip((certificate, key), contents, strict=True):
        if content is not None:
            file.write_bytes(content)
    with pytest.raises(ConfigError) as told:
        load_identity(certificate, None if contents[1] is None else key)
    assert (told.value.key, told.value.problem) == (
        mistake.key,
        mistake.problem.format(certificate=certificate, key=key),
    )


@pytest.mark.parametrize("block", ["CERTIFICATE", "PRIVATE KEY"])
def test_garbage_inside_a_block_is_a_mistake(tmp_path: Path, block: str) -> None:
    file, ours = tmp_path / "cert.pem", issued()
    garbage = f"-----BEGIN {block}-----\nAAAA\n-----END {block}-----\n".encode()
    file.write_bytes(garbage + (ours.pem if block == "PRIVATE KEY" else ours.key_pem))
    with pytest.raises(ConfigError):
        load_identity(file)


def test_file_too_long_for_a_certificate_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    with pytest.raises(ConfigError, match="is longer than 100 bytes"):
        load_identity(issued().save(tmp_path / "cert.pem"))


def test_private_key_is_not_in_the_representation(tmp_path: Path) -> None:
    assert "PrivateKey" not in repr(load_identity(issued().save(tmp_path / "cert.pem")))


@pytest.mark.parametrize(
    ("begins", "ends", "warning"),
    [
        (NOW - 9 * DAY, NOW - DAY, "the certificate in {} expired on 2026-06-14"),
        (NOW + DAY, NOW + LIFETIME, "the certificate in {} is not valid before 2026-06-16"),
        (NOW - DAY, NOW + 3 * DAY, "the certificate in {} expires on 2026-06-18"),
    ],
)
def test_time_out_of_range_is_a_warning(tmp_path: Path, begins, ends, warning: str) -> None:
    file = authority().issue("example.test", begins=begins, ends=ends).save(tmp_path / "cert.pem")
    assert load_identity(file).warnings(NOW) == (warning.format(file),)


def test_expiring_intermediate_is_a_warning_too(tmp_path: Path) -> None:
    file = authority().intermediate(ends=NOW - DAY).issue("example.test").save(tmp_path / "cert.pem")
    assert load_identity(file).warnings(NOW) == (f"the certificate in {file} expired on 2026-06-14",)


@pytest.mark.parametrize(("mode", "exposed"), [(0o600, False), (0o640, False), (0o644, True), (0o602, True)])
def test_key_that_everybody_may_read_is_a_warning(tmp_path: Path, mode: int, exposed: bool) -> None:
    file = issued().save(tmp_path / "cert.pem")
    file.chmod(mode)
    warning = f"every user of this machine can read or change the private key in {file}: chmod o= {file}"
    assert key_exposure(file) == (warning if exposed else "")
    assert load_identity(file).warnings(NOW) == ((warning,) if exposed else ())


def test_keyring_finds_the_identity_for_a_name() -> None:
    own, star, service, other = (
        identity(authority().issue(*names))
        for names in (
            ["shared.test"],
            ["*.example.test", "Named.TEST"],
            [srv("_xmpp-server.service.test"), xmpp("jid.test")],
            ["shared.test"],
        )
    )
    keyring = Keyring(
        {prepare_domain(d): i for d, i in (("own.test", own), ("a.test", star), ("b.test", service), ("c.test", other))}
    )
    found = {
        "own.test": own,
        "OWN.test": own,
        "c.test": other,
        "shared.test": own,
        "chat.example.test": star,
        "example.test": None,
        "a.chat.example.test": None,
        "named.test": star,
        "service.test": service,
        "elsewhere.test": None,
        "": None,
    }
    assert {name: keyring.find(name) for name in found} == found
    assert keyring.default is own


def test_keyring_prefers_what_was_set_for_a_domain() -> None:
    first, second = identity(authority().issue("a.test", "b.test")), identity(authority().issue("b.test"))
    keyring = Keyring({prepare_domain("a.test"): first, prepare_domain("b.test"): second}, default=second)
    assert (keyring.find("b.test"), keyring.find("a.test"), keyring.default) == (second, first, second)
    assert Keyring({}).default is None
