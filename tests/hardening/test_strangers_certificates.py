"""What strangers present as certificates: it costs little to judge, and nobody is believed for a name alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cache
from math import gcd, lcm
from time import process_time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.net.certificates.certificate_paths import MOST_INTERMEDIATES, Reason
from gateway.net.certificates.dane import association, judge_by_tlsa
from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict
from gateway.net.dns.tlsa import TLSARecord, TLSASet
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW, authority, rsa_key, trusting
from tests.support.throwaway_ca import Authority, Key, host

CertificateChain = Sequence[x509.Certificate]

DOMAIN = Domain("far.test")
TRIES = 5
MOST = 30
"""How often the time of an ordinary certificate of no known authority the judgement may take."""


@cache
def slow_key() -> rsa.RSAPrivateKey:
    """An RSA key whose public exponent is as long as its modulus: to verify takes as long as to sign without help."""
    known = rsa_key(2048).private_numbers()
    order = lcm(known.p - 1, known.q - 1)
    private = next(d for d in range(2**1900 + 1, 2**1901, 2) if gcd(d, order) == 1)
    public = rsa.RSAPublicNumbers(pow(private, -1, order), known.p * known.q)
    numbers = rsa.RSAPrivateNumbers(
        known.p, known.q, private, private % (known.p - 1), private % (known.q - 1), known.iqmp, public
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def in_circles(key: Key, name: str = "In circles") -> CertificateChain:
    """Certificates of one name and one key: each may have signed every other, so there are 40,000 paths."""
    root = Authority.create(name, moment=NOW, key=key)
    others = [root.intermediate(name, key=key).issued.certificate for _ in range(MOST_INTERMEDIATES)]
    return root.issue(DOMAIN).certificate, *others


def with_limits() -> CertificateChain:
    """A certificate with many names below an authority that may sign for many."""
    limits = x509.NameConstraints([host(f"h{number}.test") for number in range(1500)], None)
    root = Authority.create("Limited", moment=NOW)
    middle = root.intermediate(extensions=[x509.BasicConstraints(ca=True, path_length=None), limits])
    return middle.issue(*(f"h{number}.test" for number in range(1500))).chain


CHAINS = {
    "in circles": lambda: in_circles(ec.generate_private_key(ec.SECP384R1())),
    "in circles, by the name of one of our authorities": lambda: in_circles(
        ec.generate_private_key(ec.SECP384R1()), "Test CA"
    ),
    "keys that are slow to verify with": lambda: in_circles(slow_key()),
    "names and limits": with_limits,
}


def judged(chain: CertificateChain) -> tuple[CertificateVerdict, float]:
    """The verdict on a chain that is read again, and the processor time that it took."""
    read = [x509.load_der_x509_certificate(each.public_bytes(Encoding.DER)) for each in chain]
    judge = CertificateJudge(trusting(authority()))
    _ = judge.trust.store
    began = process_time()
    return judge.judge(read, NOW), process_time() - began


def ordinary() -> float:
    """The time for a certificate with its intermediate, of an authority that we do not know."""
    chain = Authority.create("Nobody's", moment=NOW).intermediate().issue(DOMAIN).chain
    return judged(chain)[1]


@pytest.mark.busy("compares processor times")
@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_a_stranger_costs_little_to_judge(name: str) -> None:
    """Without the bounds these take 200 to 1,500 times as long as an ordinary one."""
    chain = CHAINS[name]()
    assert not judged(chain)[0].valid
    ordinary()
    assert any(judged(chain)[1] < MOST * ordinary() for _ in range(TRIES))


@pytest.mark.busy("compares processor times")
def test_a_stranger_who_publishes_its_own_authorities_costs_little() -> None:
    """Each record names another certificate of the chain as an authority, and no path leads to the domain."""
    chain = in_circles(ec.generate_private_key(ec.SECP384R1()))
    records = [
        TLSARecord(usage=usage, selector=selector, matching=matching, data=association(each, selector, matching))
        for each in chain[1:]
        for usage in (0, 2)
        for selector in (0, 1)
        for matching in (0, 2)
    ]
    tlsa = TLSASet(name="_5269._tcp.far.test", records=tuple(records), hosts=("elsewhere.test",))

    def took() -> float:
        began = process_time()
        said = judge_by_tlsa(DOMAIN, chain, tlsa, trust=trusting(authority()), moment=NOW)
        assert said is not None
        assert said.problem
        return process_time() - began

    ordinary()
    assert any(took() < 2 * MOST * ordinary() for _ in range(TRIES))


# -- what still has to be found ---------------------------------------------------------------------------------------


def crossed() -> Iterator[tuple[str, CertificateChain]]:
    """Chains with several certificates of one authority, as real ones have them after a change of roots."""
    ours, old = authority(), Authority.create("An old root", moment=NOW)
    key = ec.generate_private_key(ec.SECP256R1())
    by_ours, by_old = (root.intermediate("Crossed", key=key) for root in (ours, old))
    ended = ours.intermediate("Crossed", key=key, ends=NOW - timedelta(days=1))
    leaf = by_ours.issue(DOMAIN).certificate
    good, expired, foreign = (each.issued.certificate for each in (by_ours, ended, by_old))
    yield "the good one last", (leaf, foreign, expired, good)
    yield "the good one first", (leaf, good, expired, foreign)
    below = by_ours.intermediate("Below")
    yield "in any order", (below.issue(DOMAIN).certificate, expired, foreign, good, below.issued.certificate)
    yield "with the root", (leaf, foreign, good, ours.certificate, old.certificate)
    chained: Authority = ours
    for number in range(MOST_INTERMEDIATES - 1):
        chained = chained.intermediate(f"Step {number}")
    yield "many steps", chained.issue(DOMAIN).chain


@pytest.mark.parametrize(("name", "chain"), list(crossed()), ids=[name for name, _ in crossed()])
def test_every_usual_way_to_an_authority_is_found(name: str, chain: CertificateChain) -> None:
    verdict, _ = judged(chain)
    assert verdict.proves(DOMAIN), verdict.problem


def test_a_limited_authority_may_still_name_its_hosts() -> None:
    limits = x509.NameConstraints([host("far.test")], None)
    middle = authority().intermediate(extensions=[x509.BasicConstraints(ca=True, path_length=None), limits])
    assert judged(middle.issue(DOMAIN).chain)[0].proves(DOMAIN)
    assert judged(middle.issue("else.test").chain)[0].reason is Reason.UNACCEPTABLE


@pytest.mark.parametrize("key", [slow_key, lambda: rsa_key(1024)])
def test_a_certificate_with_an_odd_key_is_refused_even_from_our_authority(key: object) -> None:
    assert not judged(authority().issue(DOMAIN, key=key()).chain)[0].valid  # type: ignore[operator]


# -- stapled answers --------------------------------------------------------------------------------------------------


def test_an_answer_of_a_made_up_issuer_is_not_believed() -> None:
    """A thief of the key of a certificate that promises a staple makes an authority of the right name for it."""
    stolen = authority().issue(DOMAIN, extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])])
    made_up = Authority.create("Test CA", moment=NOW)
    answer = ocsp.OCSPResponseBuilder().add_response(
        stolen.certificate,
        made_up.certificate,
        SHA1(),
        ocsp.OCSPCertStatus.GOOD,
        NOW - timedelta(hours=1),
        NOW + timedelta(hours=1),
        None,
        None,
    )
    answer = answer.responder_id(ocsp.OCSPResponderEncoding.HASH, made_up.certificate)
    staple = answer.sign(made_up.issued.key, SHA256()).public_bytes(Encoding.DER)  # type: ignore[arg-type]
    judge = CertificateJudge(trusting(authority()))
    assert judge.judge(stolen.chain, NOW).valid
    assert judge.judge([*stolen.chain, made_up.certificate], NOW, staple).reason is Reason.UNACCEPTABLE
