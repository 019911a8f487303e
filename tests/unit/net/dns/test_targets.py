"""Targets, and the names and strings that lead to them."""

from __future__ import annotations

import pytest

from gateway.net.dns.service_records import Tls
from gateway.net.dns.targets import Place, dns_name, endpoint_text, interleaved, literal_address, parse_connect
from gateway.xmpp.errors import ResolutionFailed


@pytest.mark.parametrize(
    ("text", "host", "port", "tls"),
    [
        ("tcp:127.0.0.2:5269", "127.0.0.2", 5269, "starttls"),
        ("tcp:host=10.0.0.5:port=5269", "10.0.0.5", 5269, "starttls"),
        ("tls:xmpp.example.com:5270", "xmpp.example.com", 5270, "direct"),
        ("tcp:XMPP.Example.com:1", "xmpp.example.com", 1, "starttls"),
        ("tcp:bücher.example:5269", "xn--bcher-kva.example", 5269, "starttls"),
        ("tcp:[2001:db8::1]:5269", "2001:db8::1", 5269, "starttls"),
        (r"tcp:2001\:db8\:\:1:5269", "2001:db8::1", 5269, "starttls"),
        (r"tls:host=\:\:1:port=5270", "::1", 5270, "direct"),
    ],
)
def test_connect_is_written_as_twisted_writes_endpoints(text: str, host: str, port: int, tls: Tls) -> None:
    assert parse_connect(text) == Place(host=host, port=port, tls=tls)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not of the form"),
        ("127.0.0.1:5269", "not of the form"),
        ("tcp:127.0.0.1", "not of the form"),
        ("udp:127.0.0.1:5269", "not of the form"),
        ("tcp:127.0.0.1:5269:timeout=5", "not of the form"),
        ("tcp:2001:db8::1:5269", "not of the form"),
        ("tcp:127.0.0.1:xmpp-server", "not of the form"),
        ("tcp:127.0.0.1:0", "no usable port"),
        ("tcp:127.0.0.1:65536", "no usable port"),
        ("tcp:a..b:5269", "names no host"),
        ("tcp:[not v6]:5269", "names no host"),
        ("tcp:ab c:5269", "names no host"),
    ],
)
def test_wrong_connect_is_refused_with_its_text_and_the_problem(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        parse_connect(text)
    assert repr(text) in str(refusal.value)


@pytest.mark.parametrize(
    ("domain", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0:0::1]", "2001:db8::1"),
        ("2001:db8::1", None),
        ("[192.0.2.1]", None),
        ("192.0.2", None),
        ("192.0.2.256", None),
        ("[fe80::1%eth0]", None),
        ("example.com", None),
    ],
)
def test_domain_that_is_an_address_needs_no_lookup(domain: str, address: str | None) -> None:
    assert literal_address(domain) == address


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("example.com", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("under_score.example", "under_score.example"),
        ("localhost", "localhost"),
    ],
)
def test_the_dns_is_asked_for_a_labels(domain: str, name: str) -> None:
    assert dns_name(domain) == name


@pytest.mark.parametrize(
    "domain",
    [
        "",
        ".",
        "a..b",
        f"{'x' * 64}.example",
        ".".join(["x" * 60] * 5),
        "a b.example",
        "a\x00.example",
        "-\u00fc-.example",
    ],
    ids=["empty", "dot", "empty label", "long label", "long name", "space", "NUL", "no IDN"],
)
def test_name_that_the_dns_cannot_hold_is_not_found_for_good(domain: str) -> None:
    with pytest.raises(ResolutionFailed, match="not a valid name in the DNS") as failure:
        dns_name(domain)
    assert failure.value.permanent


@pytest.mark.parametrize(
    ("given", "most", "mixed"),
    [
        (["1.1.1.1", "2.2.2.2", "::1", "::2"], 8, ("::1", "1.1.1.1", "::2", "2.2.2.2")),
        (["1.1.1.1", "2.2.2.2", "3.3.3.3", "::1"], 8, ("::1", "1.1.1.1", "2.2.2.2", "3.3.3.3")),
        (["::1", "::2", "1.1.1.1"], 8, ("::1", "1.1.1.1", "::2")),
        (["::1", "::2", "1.1.1.1"], 2, ("::1", "1.1.1.1")),
        (["1.1.1.1", "1.1.1.1"], 8, ("1.1.1.1",)),
        ([], 8, ()),
    ],
)
def test_families_take_turns_with_ipv6_first(given: list[str], most: int, mixed: tuple[str, ...]) -> None:
    assert interleaved(given, most) == mixed


def test_ipv6_is_written_in_brackets_before_a_port() -> None:
    assert [endpoint_text("::1", 1), endpoint_text("127.0.0.1", 2)] == ["[::1]:1", "127.0.0.1:2"]
