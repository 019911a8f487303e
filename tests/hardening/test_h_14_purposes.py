"""H-14: certificates for servers alone, all that public authorities issue now, are accepted in both directions."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.tls.session import judge_peer
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import CLIENT_AUTH, SERVER_AUTH
from tests.support.tls import connect, contexts

OURS, PEER = prepare_domain("ours.test"), prepare_domain("example.test")
ANY = Purpose.ANY_EXTENDED_KEY_USAGE

ACCEPTED = [
    None,
    [SERVER_AUTH],
    [SERVER_AUTH, CLIENT_AUTH],
    [ANY],
    [ANY, CLIENT_AUTH],
    [Purpose.CODE_SIGNING, SERVER_AUTH],
]
REFUSED = [[CLIENT_AUTH], [Purpose.EMAIL_PROTECTION], [CLIENT_AUTH, Purpose.CODE_SIGNING], [Purpose.OCSP_SIGNING]]


@pytest.mark.parametrize("direction", ["peer accepts", "peer connects"])
@pytest.mark.parametrize("purposes", ACCEPTED, ids=str)
def test_h_14_certificate_for_servers_proves_in_both_directions(
    purposes: list[x509.ObjectIdentifier] | None, direction: str
) -> None:
    verdict = verdict_after_handshake(purposes, direction)
    assert verdict.proves(PEER), verdict.problem


@pytest.mark.parametrize("direction", ["peer accepts", "peer connects"])
@pytest.mark.parametrize("purposes", REFUSED, ids=str)
def test_h_14_certificate_for_anything_else_proves_in_neither(
    purposes: list[x509.ObjectIdentifier], direction: str
) -> None:
    verdict = verdict_after_handshake(purposes, direction)
    assert verdict.reason is Reason.WRONG_PURPOSE
    assert verdict.problem == "the certificate is not meant for servers (extendedKeyUsage without serverAuth)"


@pytest.mark.parametrize("purposes", [[CLIENT_AUTH], [Purpose.EMAIL_PROTECTION]], ids=str)
def test_h_14_authority_for_other_purposes_leads_nowhere(purposes: list[x509.ObjectIdentifier]) -> None:
    said = [x509.BasicConstraints(ca=True, path_length=None), x509.ExtendedKeyUsage(purposes)]
    issued = authority().intermediate("Mail", extensions=said).issue("example.test", purposes=[SERVER_AUTH])
    verdict = CertificateJudge(trusting()).judge(issued.chain, NOW)
    assert verdict.reason is Reason.WRONG_PURPOSE
    assert verdict.problem.startswith("the certificate of 'Mail' is not meant for servers")


def test_h_14_rules_for_authorities_hold_all_the_same() -> None:
    nobody = authority().intermediate("Nobody", extensions=[x509.BasicConstraints(ca=False, path_length=None)])
    verdict = CertificateJudge(trusting()).judge(nobody.issue("example.test", purposes=[SERVER_AUTH]).chain, NOW)
    assert verdict.reason is Reason.NO_AUTHORITY


def verdict_after_handshake(purposes: list[x509.ObjectIdentifier] | None, direction: str):
    """Our verdict on a peer's certificate after a real handshake in that direction."""
    ours = contexts(authority().issue("ours.test"))
    theirs = contexts(authority().issue("example.test", purposes=purposes))
    if direction == "peer accepts":
        our_side, _ = connect(ours.connecting(OURS, PEER, direct=False), theirs.accepting(PEER))
    else:
        _, our_side = connect(theirs.connecting(PEER, OURS, direct=False), ours.accepting(OURS))
    return judge_peer(CertificateJudge(trusting()), our_side, NOW)
