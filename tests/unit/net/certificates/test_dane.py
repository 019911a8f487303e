"""What sets of TLSA records say about certificates: a table, and OpenSSL as an oracle that has to agree with it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509

from gateway.net.certificates.dane import association, judge_by_tlsa
from gateway.net.certificates.judge import Attestation, CertificateJudge
from gateway.net.dns.tlsa import TLSARecord, TLSASet
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import Authority, Issued, self_signed

DOMAIN = Domain("example.test")
HOST = "xmpp.example.test"
OWNER = f"_5269._tcp.{HOST}"

ISLAND = Authority.create("An island's CA", moment=NOW)  # which nobody trusts
MIDDLE = ISLAND.intermediate("An island's intermediate")
SERVERS = {
    "alone": self_signed("elsewhere.test", moment=NOW),
    "good": authority().issue(HOST),
    "misnamed": authority().issue("elsewhere.test"),
    "expired": authority().issue(HOST, ends=NOW - timedelta(days=1)),
    "island": MIDDLE.issue(HOST),
    "island, misnamed": MIDDLE.issue("elsewhere.test"),
    "island, expired": MIDDLE.issue(HOST, ends=NOW - timedelta(days=1)),
}
OTHER = self_signed(HOST, moment=NOW)


def shown_by(server: str) -> list[x509.Certificate]:
    """Return what the server shows: its chain, with the root where an island's authority has to be found in it."""
    issued = SERVERS[server]
    return [*issued.chain, ISLAND.certificate] if server.startswith("island") else list(issued.chain)


def record(text: str, server: str) -> TLSARecord:
    """A record in short: its numbers, and whose it is: that of the server itself unless somebody is named."""
    usage, selector, matching, *whose = text.split()
    certificates = {"other": OTHER.certificate, "root": ISLAND.certificate, "middle": MIDDLE.certificate}
    certificates |= {"authority": authority().certificate, "island": ISLAND.certificate}
    certificate = certificates[whose[0]] if whose else SERVERS[server].certificate
    data = association(certificate, int(selector), min(int(matching), 2))
    return TLSARecord(usage=int(usage), selector=int(selector), matching=int(matching), data=data)


# The server, its records, and the record that proves it; False where it is refused, None where none can be used.
SETS: list[tuple[str, list[str], str | bool | None]] = [
    # 3: neither names nor dates nor authorities
    ("alone", ["3 1 1"], "3 1 1"),
    ("alone", ["3 1 2"], "3 1 2"),
    ("alone", ["3 0 1"], "3 0 1"),
    ("alone", ["3 1 0"], "3 1 0"),
    ("alone", ["3 0 0"], "3 0 0"),
    ("expired", ["3 1 1"], "3 1 1"),
    ("alone", ["3 1 1 other"], False),
    ("good", ["3 1 1 other"], False),  # whatever an authority says
    ("alone", ["3 1 1 other", "3 1 1"], "3 1 1"),
    ("alone", ["3 1 2", "3 1 1"], "3 1 2"),
    ("alone", ["3 1 1", "3 0 2 other"], "3 1 1"),
    ("alone", ["3 1 2 other", "3 1 1"], False),  # the better digest alone counts (RFC 7671 §9)
    # 2: a path to that authority, and a name
    ("island", ["2 0 1 island"], "2 0 1"),
    ("island", ["2 1 2 middle"], "2 1 2"),
    ("island", ["2 0 0 island"], "2 0 0"),
    ("island, misnamed", ["2 0 1 island"], False),
    ("island, expired", ["2 0 1 island"], False),
    ("island", ["2 0 1 authority"], False),
    # 1 and 0: one of our authorities as well
    ("good", ["1 1 1"], "1 1 1"),
    ("good", ["1 1 1 other"], False),
    ("island", ["1 1 1"], False),
    ("misnamed", ["1 1 1"], False),
    ("good", ["0 0 1 authority"], "0 0 1"),
    ("good", ["0 0 1 island"], False),
    ("expired", ["0 0 1 authority"], False),
    # none that can be used
    ("good", ["3 1 9"], None),
    ("good", ["9 1 1", "3 9 1"], None),
    ("alone", ["3 1 9", "3 1 1"], "3 1 1"),
]
IDS = [f"{server}: {', '.join(records)}" for server, records, _ in SETS]


def tlsa(server: str, records: list[str], *hosts: str) -> TLSASet:
    return TLSASet(
        name=OWNER,
        records=tuple(record(each, server) for each in records),
        hosts=hosts or (DOMAIN, HOST),
    )


def judged(server: str, records: list[str], *hosts: str) -> Attestation | None:
    return judge_by_tlsa(
        DOMAIN, shown_by(server), tlsa(server, records, *hosts), trust=trusting(authority()), moment=NOW
    )


def outcome(attestation: Attestation | None) -> str | bool | None:
    if attestation is None:
        return None
    return not attestation.problem and attestation.record.removeprefix("TLSA ").removesuffix(f" of {OWNER}")


@pytest.mark.parametrize(("server", "records", "proved_by"), SETS, ids=IDS)
def test_what_each_set_proves(server: str, records: list[str], proved_by: str | bool | None) -> None:
    assert outcome(judged(server, records)) == proved_by


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed")
def test_openssl_agrees_with_the_table(tmp_path: Path) -> None:
    trust = authority().save(tmp_path / "trusted.pem")
    for server in SERVERS:
        with listening(server, tmp_path) as port:
            for of, records, proved_by in SETS:
                if of == server and proved_by is not None:
                    assert accepted_by_openssl(port, tlsa(server, records), trust) is bool(proved_by), (of, records)


def test_the_name_of_the_domain_is_as_good_as_that_of_its_server() -> None:
    assert outcome(judged("island", ["2 0 1 island"], "xmpp.example.test")) == "2 0 1"
    assert outcome(judged("island", ["2 0 1 island"], "example.test")) is False


def test_records_without_any_certificate_prove_nothing() -> None:
    attestation = judge_by_tlsa(DOMAIN, [], tlsa("good", ["3 1 1"]), trust=trusting(authority()), moment=NOW)
    assert outcome(attestation) is False


def test_a_refusal_says_which_records_and_why() -> None:
    attestation = judged("island, misnamed", ["3 1 1 other", "2 0 1 island"])
    assert attestation is not None
    assert attestation.problem == (
        f"the TLSA records of {OWNER} are about another certificate (3 1 1: no match; 2 0 1: the certificate is not"
        " for example.test or xmpp.example.test, but for elsewhere.test)"
    )


def test_a_verdict_tells_means_and_record_and_does_not_mix_them_up() -> None:
    attestation = judged("alone", ["3 1 1"])
    assert attestation is not None
    verdict = CertificateJudge(trusting(authority())).judge(shown_by("alone"), NOW).with_attestations(attestation)
    assert verdict.proves(DOMAIN, Means.DANE)
    assert not verdict.proves(DOMAIN)
    assert not verdict.proves(Domain("other.test"), Means.DANE)
    assert verdict.record(DOMAIN, Means.DANE) == f"TLSA 3 1 1 of {OWNER}"
    assert verdict.why_not(DOMAIN, (Means.EXTERNAL, Means.DANE)) == ""
    assert "self-signed" in verdict.why_not(DOMAIN)


def test_a_record_that_needs_an_authority_counts_no_longer_than_its_path() -> None:
    attestation = judged("good", ["1 1 1"])
    assert attestation is not None
    judge = CertificateJudge(trusting(authority()))
    assert judge.judge(shown_by("good"), NOW).with_attestations(attestation).proves(DOMAIN, Means.DANE)
    later = judge.judge(shown_by("good"), NOW + timedelta(days=400)).with_attestations(attestation)
    assert not later.proves(DOMAIN, Means.DANE)


@contextmanager
def listening(server: str, folder: Path) -> Iterator[int]:
    """A TLS server that shows the certificates of one of the table's."""
    issued = Issued(chain=tuple(shown_by(server)), key=SERVERS[server].key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.save(folder / f"{server}.pem"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=_serve, args=(listener, context), daemon=True).start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return  # closed
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            continue  # the other side does not like what it sees


def accepted_by_openssl(port: int, records: TLSASet, trust: Path) -> bool:
    """Return whether OpenSSL's own DANE takes the server with these records."""
    data = [f"{each.parameters} {each.data.hex()}" for each in records.records]
    command = ["openssl", "s_client", "-brief", "-connect", f"127.0.0.1:{port}", "-verify_return_error"]
    command += ["-CAfile", str(trust), "-attime", str(int(NOW.timestamp())), "-dane_tlsa_domain", HOST]
    command += ["-dane_ee_no_namechecks"]
    for each in data:
        command += ["-dane_tlsa_rrdata", each]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=20).returncode == 0
