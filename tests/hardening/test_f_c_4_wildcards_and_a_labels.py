"""F-C-4: a wildcard covers a label beyond ASCII as it covers any other (RFC 9525 §6.3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.loading import load
from gateway.net.certificates.certificate_names import CertificateNames
from gateway.net.certificates.own_certificates import Keyring, load_identity
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority
from tests.support.throwaway_ca import srv, xmpp

BOOKS = prepare_domain("bücher.x.example")


def names(*written: str) -> CertificateNames:
    return CertificateNames.of(authority().issue(*written).certificate)


@pytest.mark.parametrize("domain", ["bücher.x.example", "xn--bcher-kva.x.example", "BÜCHER.X.example", "a.x.example"])
def test_a_wildcard_covers_a_label_in_every_spelling(domain: str) -> None:
    """Prove a domain by a wildcard whether its first label is in ASCII, a U-label or an A-label."""
    assert names("*.x.example").prove(prepare_domain(domain))


def test_a_wildcard_below_an_a_label_covers_another_one() -> None:
    """Prove a domain by a wildcard whose own labels are A-labels."""
    assert names("*.xn--strae-oqa.example").prove(prepare_domain("bücher.straße.example"))


@pytest.mark.parametrize(
    "written",
    ["xn--*.x.example", "xn--bcher-*.x.example", "*", "*.example", "*.*.example", "*.y.example", "*.a.x.example"],
)
def test_nothing_but_a_whole_label_is_covered(written: str) -> None:
    """Refuse wildcards within a label, in several labels, and of other names."""
    assert not names(written).prove(BOOKS)


def test_a_wildcard_covers_one_label_only() -> None:
    """Refuse a wildcard for the name itself and for names two labels below it."""
    wildcard = names("*.x.example")
    assert not wildcard.prove(prepare_domain("x.example"))
    assert not wildcard.prove(prepare_domain("bücher.a.x.example"))


def test_other_kinds_of_names_have_no_wildcards() -> None:
    """Refuse a wildcard as a service name and as an XMPP address."""
    written = CertificateNames.of(
        authority().issue(srv("_xmpp-server.*.x.example"), xmpp("*.x.example"), common_name="").certificate
    )
    assert not written.prove(BOOKS)


def test_our_own_domain_may_have_such_a_certificate(tmp_path: Path) -> None:
    """Accept the certificate in the configuration, and show it to clients that ask for the A-label."""
    bundle = authority().issue("*.x.example").save(tmp_path / "wildcard.pem")
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'[gateway]\nstate = "{tmp_path}/state"\n[domains."bücher.x.example"]\nserve = "im"\ncertificate = "{bundle}"\n'
    )
    settings = load(file)
    assert BOOKS in settings.domains
    identity = load_identity(bundle)
    assert identity.covers(BOOKS)
    assert Keyring({BOOKS: identity}).find("xn--bcher-kva.x.example") is identity
