"""Verdicts: kept, renewed, bounded, and never an exception; the reasons are the subject of the tests for H-13."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.certificates import judge as module
from gateway.net.certificates.certificate_paths import Holder, Reason
from gateway.net.certificates.judge import LONGEST, NO_CERTIFICATE, CertificateJudge, CertificateVerdict
from gateway.net.certificates.trust_store import UNREADABLE
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import CLIENT_AUTH, DAY, LIFETIME, SERVER_AUTH, Authority, srv, xmpp

EXAMPLE = prepare_domain("example.test")
SECOND = timedelta(seconds=1)
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)


def test_verdict_on_a_good_certificate() -> None:
    issued = authority().issue("example.test")
    verdict = CertificateJudge(trusting()).judge(issued.chain, NOW)
    assert (verdict.valid, verdict.reason, verdict.problem) == (True, Reason.TRUSTED, "")
    assert verdict.proves(EXAMPLE)
    assert verdict.why_not(EXAMPLE) == ""
    assert verdict.not_after == NOW + LIFETIME
    assert verdict.fingerprint == x509.load_pem_x509_certificate(issued.pem).fingerprint(module.SHA256()).hex()


@pytest.mark.parametrize(
    ("purposes", "accounts"),
    [
        (None, {"juliet@example.test"}),
        ([CLIENT_AUTH], {"juliet@example.test"}),
        ([CLIENT_AUTH, SERVER_AUTH], {"juliet@example.test"}),
        ([SERVER_AUTH], set()),
    ],
)
def test_certificate_of_a_person_names_accounts_and_may_be_for_clients_alone(
    purposes: list[x509.ObjectIdentifier] | None, accounts: set[str]
) -> None:
    issued = authority().issue(xmpp("juliet@example.test"), xmpp("romeo@other.test"), purposes=purposes)
    verdict = CertificateJudge(trusting(), holder=Holder.CLIENT).judge(issued.chain, NOW)
    assert verdict.accounts(EXAMPLE) == accounts
    assert verdict.valid is bool(accounts)


def test_untrusted_certificate_names_no_account() -> None:
    issued = authority("Strange CA").issue(xmpp("juliet@example.test"))
    assert not CertificateJudge(trusting(), holder=Holder.CLIENT).judge(issued.chain, NOW).accounts(EXAMPLE)


def test_verdict_on_nothing() -> None:
    assert CertificateJudge(trusting()).judge((), NOW) is NO_CERTIFICATE
    assert not NO_CERTIFICATE.proves(EXAMPLE)


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_path_through_intermediates_in_whatever_order_they_come(depth: int) -> None:
    last = authority()
    for number in range(depth):
        last = last.intermediate(f"Intermediate {number}")
    leaf, *others = last.issue("example.test").chain
    for chain in ([leaf, *others], [leaf, *others[::-1]], [leaf, *others, authority().certificate]):
        assert CertificateJudge(trusting()).judge(chain, NOW).proves(EXAMPLE)


def test_path_by_cross_signature_when_one_root_is_unknown() -> None:
    """The peer's authority is known to us only through a certificate that one of ours gave to its key."""
    new_root = Authority.create("New CA", moment=NOW)
    crossed = authority().intermediate("New CA", key=new_root.issued.key)
    issued = new_root.issue("example.test")
    assert CertificateJudge(trusting()).judge((*issued.chain, *crossed.issued.chain), NOW).proves(EXAMPLE)


@pytest.mark.parametrize("extensions", [[AUTHORITY], [AUTHORITY, x509.ExtendedKeyUsage([SERVER_AUTH])]], ids=len)
def test_authority_without_key_usage_may_sign(extensions: list[x509.ExtensionType]) -> None:
    """`openssl req -x509` makes such ones, so they are common among private authorities."""
    issued = authority().intermediate(extensions=extensions).issue("example.test")
    assert CertificateJudge(trusting()).judge(issued.chain, NOW).proves(EXAMPLE)


def test_limited_authority_speaks_by_hosts_alone() -> None:
    constraints = x509.NameConstraints(permitted_subtrees=[x509.DNSName("example.test")], excluded_subtrees=None)
    limited = authority().intermediate("Limited", extensions=[AUTHORITY, constraints])
    names = ("chat.example.test", srv("_xmpp-server.victim.test"), xmpp("victim.test"))
    verdict = CertificateJudge(trusting()).judge(limited.issue(*names).chain, NOW)
    assert verdict.proves(prepare_domain("chat.example.test"))
    assert not verdict.proves(prepare_domain("victim.test"))


def test_moment_may_be_in_any_time_zone() -> None:
    ends = NOW + timedelta(hours=1)
    issued = authority().issue("example.test", ends=ends)
    elsewhere = timezone(timedelta(hours=9))
    judge = CertificateJudge(trusting())
    assert judge.judge(issued.chain, NOW.astimezone(elsewhere)).valid
    assert not judge.judge(issued.chain, (ends + SECOND).astimezone(elsewhere)).valid


class Counting(CertificateJudge):
    """A judge whose decisions are counted."""

    decisions = 0


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(trusting(), capacity=3)
    decide = module._decide

    def counted(*arguments: object) -> object:
        counting.decisions += 1
        return decide(*arguments)

    monkeypatch.setattr(module, "_decide", counted)
    return counting


def test_same_certificates_are_judged_once(judge: Counting) -> None:
    good, bad = authority().issue("example.test").chain, authority("Strange CA").issue("example.test").chain
    verdicts = [judge.judge(chain, NOW + minutes * SECOND) for chain in (good, bad) for minutes in range(10)]
    assert judge.decisions == 2
    assert [verdict.valid for verdict in verdicts] == [True] * 10 + [False] * 10


def test_other_chain_with_the_same_certificate_is_judged_afresh(judge: Counting) -> None:
    chain = authority().intermediate().issue("example.test").chain
    assert not judge.judge(chain[:1], NOW).valid
    assert judge.judge(chain, NOW).valid


@pytest.mark.parametrize(
    ("moments", "decisions", "valid"),
    [
        ([NOW, NOW + LONGEST - SECOND], 1, [True, True]),
        ([NOW, NOW + LONGEST], 2, [True, True]),
        ([NOW, NOW - SECOND], 2, [True, True]),  # the clock was set back
        ([NOW, NOW + LIFETIME + SECOND], 2, [True, False]),
        ([NOW + LIFETIME - SECOND, NOW + LIFETIME, NOW + LIFETIME + SECOND], 2, [True, True, False]),
        ([NOW - DAY - SECOND, NOW - DAY], 2, [False, True]),
    ],
)
def test_verdict_is_renewed_when_time_may_change_it(
    judge: Counting, moments: list[datetime], decisions: int, valid: list[bool]
) -> None:
    chain = authority().issue("example.test").chain
    assert [judge.judge(chain, moment).valid for moment in moments] == valid
    assert judge.decisions == decisions


def test_new_trust_means_new_verdicts(judge: Counting) -> None:
    chain = authority("Strange CA").issue("example.test").chain
    assert not judge.judge(chain, NOW).valid
    judge.trust = trusting(authority("Strange CA"))
    assert judge.judge(chain, NOW).valid
    judge.trust = trusting()
    assert not judge.judge(chain, NOW).valid


def test_oldest_verdict_makes_room(judge: Counting) -> None:
    chains = [authority().issue(f"{number}.test").chain for number in range(4)]
    for chain in (*chains[:3], chains[0], chains[3], chains[0], chains[2]):
        judge.judge(chain, NOW)
    assert judge.decisions == 4
    judge.judge(chains[1], NOW)
    assert judge.decisions == 5


def test_untrusted_certificate_does_not_fill_memory_with_its_names() -> None:
    names = [f"{number}.test" for number in range(500)]
    verdict = CertificateJudge(trusting()).judge(authority("Strange CA").issue(*names).chain, NOW)
    assert len(verdict.names.dns) == 5


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_mutilated_certificates_get_a_verdict_and_never_an_exception() -> None:
    """Every byte of a certificate may be anything; what can be loaded at all is judged, and never proves a domain."""
    names = ("example.test", srv("_xmpp-server.example.test"), xmpp("example.test"))
    issued = authority().intermediate().issue(*names)
    chance = random.Random(13)
    judge, judged = CertificateJudge(trusting()), 0
    for _ in range(3000):
        der = bytearray(issued.certificate.public_bytes(Encoding.DER))
        for _ in range(chance.randint(1, 3)):
            der[chance.randrange(len(der))] = chance.randrange(256)
        try:
            mutilated = x509.load_der_x509_certificate(bytes(der))
        except UNREADABLE:
            continue
        if mutilated != issued.certificate:
            verdict: CertificateVerdict = judge.judge((mutilated, *issued.chain[1:]), NOW)
            judged += 1
            assert not verdict.proves(EXAMPLE)
            assert verdict.problem
    assert judged > 1000
