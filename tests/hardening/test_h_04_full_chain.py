"""H-04: a certificate stands for a domain when its whole chain and exactly that domain verified (CVE-2021-32919)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from cryptography.x509 import Certificate

from gateway.net.certificates.judge import CertificateJudge
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, trusting
from tests.support.throwaway_ca import DAY, Issued, self_signed

CHAINS = {
    "whole": lambda *names: authority().issue(*names),
    "whole, by an intermediate": lambda *names: authority().intermediate().issue(*names),
    "of a stranger": lambda *names: authority("Strange CA").issue(*names),
    "self-signed": lambda *names: self_signed(*names, moment=NOW),
    "cut": lambda *names: replace(issued := authority().intermediate().issue(*names), chain=issued.chain[:1]),
    "another's": lambda *names: replace(self_signed(*names, moment=NOW), chain=mixed(*names)),
    "expired": lambda *names: authority().issue(*names, begins=NOW - 2 * DAY, ends=NOW - DAY),
}
NAMES = {
    "exact": ("example.test",),
    "one of many": ("other.test", "example.test"),
    "parent": ("test",),
    "child": ("chat.example.test",),
    "longer": ("example.test.evil.test",),
}


def mixed(*names: str) -> tuple[Certificate, ...]:
    """A self-signed certificate in front of the good chain of another."""
    return (*self_signed(*names, moment=NOW).chain, *authority().issue("other.test").chain)


@pytest.mark.parametrize(("chain", "names"), list(product(CHAINS, NAMES)))
def test_h_04_both_halves_or_no_proof(chain: str, names: str) -> None:
    issued: Issued = CHAINS[chain](*NAMES[names])
    verdict = CertificateJudge(trusting()).judge(issued.chain, NOW)
    expected = chain.startswith("whole") and names in ("exact", "one of many")
    assert verdict.proves(prepare_domain("example.test")) is expected
    assert bool(verdict.why_not(prepare_domain("example.test"))) is not expected
