"""B-11: a certificate that leads to none of our authorities costs the same however many names are in it."""

from __future__ import annotations

from datetime import UTC, datetime
from time import process_time

import pytest

from gateway.net.certificates import certificate_names as names
from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict
from gateway.net.certificates.trust_store import TrustStore
from gateway.xmpp.addresses import Domain
from tests.support.throwaway_ca import Authority, Issued, xmpp

pytestmark = pytest.mark.busy("compares processor times")

MANY = [xmpp(f"account{number}@example.test") for number in range(1000)]


def untrusted(*more: object) -> Issued:
    return Authority.create().issue("example.test", xmpp("example.test"), *more)  # type: ignore[arg-type]


def judged(*chains: Issued) -> tuple[list[CertificateVerdict], float]:
    """The verdicts of a judge who trusts none of the authorities, and the processor time that they took."""
    judge = CertificateJudge(TrustStore(authorities=(Authority.create().certificate,)))
    began = process_time()
    verdicts = [judge.judge([each.certificate], datetime.now(UTC)) for each in chains]
    return verdicts, process_time() - began


def test_f_b_11_a_handful_of_names_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand XmppAddrs the decoder sees five at most."""
    decoded: list[bytes] = []
    decode = names.decoder.decode
    monkeypatch.setattr(
        names.decoder, "decode", lambda value, **syntax: (decoded.append(value), decode(value, **syntax))[1]
    )
    [verdict], _ = judged(untrusted(*MANY))
    assert not verdict.valid
    assert len(decoded) <= 5
    assert "example.test" in verdict.description


def test_f_b_11_a_thousand_names_take_no_more_than_a_few_times_as_long_as_two() -> None:
    """The time is compared in the same run."""
    few, many = [untrusted() for _ in range(10)], [untrusted(*MANY) for _ in range(10)]
    judged(*few)
    assert any(judged(*many)[1] < 15 * judged(*few)[1] for _ in range(4))


def test_f_b_11_a_trusted_certificate_proves_all_its_names() -> None:
    """The names of a certificate on a valid path are still all read."""
    authority = Authority.create()
    issued = authority.issue("example.test", *MANY)
    verdict = CertificateJudge(TrustStore(authorities=(authority.certificate,))).judge(
        [issued.certificate], datetime.now(UTC)
    )
    assert len(verdict.accounts(Domain("example.test"))) == 999


def test_f_b_11_made_up_certificates_push_out_no_verdict_on_trusted_ones() -> None:
    """The memory of the judge has a share for what leads nowhere."""
    authority = Authority.create()
    good = authority.issue("good.test")
    judge = CertificateJudge(TrustStore(authorities=(authority.certificate,)), capacity=4)
    judge.judge([good.certificate], datetime.now(UTC))
    stranger = Authority.create()
    for number in range(10):
        judge.judge([stranger.issue(f"n{number}.test").certificate], datetime.now(UTC))
    assert any(remembered.verdict.valid for remembered in judge._remembered.values())
