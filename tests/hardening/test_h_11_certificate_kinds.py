"""H-11, the part of certificates: (kind of certificate) x (who connects), judged alike on both sides (CVE-2014-3451).

The handshake itself ends well with every kind, so that what is refused can be refused in words.
"""

from __future__ import annotations

from itertools import product

import pytest

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.tls.session import judge_peer
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, rsa_key, trusting, weakly_signed
from tests.support.throwaway_ca import DAY, Authority, self_signed, srv, xmpp
from tests.support.tls import connect, contexts

OURS, PEER = prepare_domain("ours.test"), prepare_domain("example.test")


def signed_with_sha1():
    root = Authority.create("RSA CA", moment=NOW, key=rsa_key(2048))
    return weakly_signed(root.issue("example.test"), rsa_key(2048), "SHA1")


KINDS = {
    "good": (lambda: authority().issue("example.test"), Reason.TRUSTED, True),
    "good, RSA": (lambda: authority().issue("example.test", key=rsa_key(2048)), Reason.TRUSTED, True),
    "good, by an intermediate": (lambda: authority().intermediate().issue("example.test"), Reason.TRUSTED, True),
    "SRVName alone": (lambda: authority().issue(srv("_xmpp-server.example.test")), Reason.TRUSTED, True),
    "XmppAddr alone": (lambda: authority().issue(xmpp("example.test")), Reason.TRUSTED, True),
    "wrong name": (lambda: authority().issue("other.test"), Reason.TRUSTED, False),
    "no name": (lambda: authority().issue(common_name="example.test"), Reason.TRUSTED, False),
    "none": (lambda: None, Reason.ABSENT, False),
    "self-signed": (lambda: self_signed("example.test", moment=NOW), Reason.SELF_SIGNED, False),
    "strange": (lambda: authority("Strange CA").issue("example.test"), Reason.UNKNOWN_AUTHORITY, False),
    "expired": (
        lambda: authority().issue("example.test", begins=NOW - 2 * DAY, ends=NOW - DAY),
        Reason.EXPIRED,
        False,
    ),
    "not yet valid": (lambda: authority().issue("example.test", begins=NOW + DAY), Reason.NOT_YET_VALID, False),
    "SHA-1": (signed_with_sha1, Reason.WEAK, False),
}
DIRECTIONS = ("peer accepts", "peer connects")


@pytest.mark.parametrize(
    ("kind", "direction"), [each for each in product(KINDS, DIRECTIONS) if each != ("none", DIRECTIONS[0])]
)
def test_h_11_same_verdict_on_both_sides(kind: str, direction: str) -> None:
    make, reason, proves = KINDS[kind]
    shown = make()
    ours, theirs = contexts(authority().issue("ours.test")), contexts(*([shown] if shown else []))
    if direction == "peer accepts":
        our_side, _ = connect(ours.connecting(OURS, PEER, direct=False), theirs.accepting(PEER))
    else:
        _, our_side = connect(theirs.connecting(PEER, OURS, direct=False), ours.accepting(OURS))
    verdict = judge_peer(CertificateJudge(trusting()), our_side, NOW)
    assert (verdict.reason, verdict.proves(PEER)) == (reason, proves), verdict.problem
