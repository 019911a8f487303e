"""The hosts file, resolv.conf, and files that change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.net.dns.system_names import WatchedFile, parse_nameserver, read_hosts, read_resolv_conf

HOSTS = """\
127.0.0.1 localhost
# 127.0.0.9 commented.test
127.0.0.2\tProsody.test prosody   # the one inside
::1 localhost prosody.test
nonsense broken.test
127.0.0.3
fe80::1%eth0 zoned.test
"""


def test_hosts_file_gives_all_addresses_of_a_name_in_any_case() -> None:
    assert read_hosts(HOSTS) == {
        "localhost": ("127.0.0.1", "::1"),
        "prosody.test": ("127.0.0.2", "::1"),
        "prosody": ("127.0.0.2",),
    }


def test_resolv_conf_gives_the_first_three_usable_nameservers() -> None:
    text = """\
search example.com
nameserver 192.0.2.1 # first
nameserver 2001:DB8:0::2
nameserver
nameserver fe80::1%eth0
options edns0
nameserver 192.0.2.3
nameserver 192.0.2.4
"""
    assert read_resolv_conf(text) == (("192.0.2.1", 53), ("2001:db8::2", 53), ("192.0.2.3", 53))


def test_resolv_conf_without_nameservers_means_this_machine() -> None:
    assert read_resolv_conf("") == (("127.0.0.1", 53),)


@pytest.mark.parametrize(
    ("text", "nameserver"),
    [
        ("127.0.0.1:5300", ("127.0.0.1", 5300)),
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("2001:DB8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[::1]:5300", ("::1", 5300)),
    ],
)
def test_nameserver_is_an_address_with_or_without_a_port(text: str, nameserver: tuple[str, int]) -> None:
    assert parse_nameserver(text) == nameserver


@pytest.mark.parametrize("text", ["", "dns.example.com", "dns.example.com:53", "127.0.0.1:", "127.0.0.1:0", "[::1]:x"])
def test_what_is_no_nameserver_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a nameserver|has no usable port") as refusal:
        parse_nameserver(text)
    assert repr(text) in str(refusal.value)


def test_watched_file_is_read_again_only_when_it_has_changed(tmp_path: Path) -> None:
    path, readings = tmp_path / "file", list[str]()

    def read(text: str) -> str:
        readings.append(text)
        return text

    path.write_text("one")
    watched = WatchedFile(str(path), read)
    assert [watched.content(), watched.content()] == ["one", "one"]
    path.write_text("three")
    assert [watched.content(), watched.content()] == ["three", "three"]
    assert readings == ["", "one", "three"]


def test_watched_file_of_the_same_size_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    watched = WatchedFile(str(path), str.upper)
    assert watched.content() == "ONE"
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert watched.content() == "TWO"


def test_watched_file_that_is_missing_counts_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "file"
    watched = WatchedFile(str(path), len)
    assert watched.content() == 0
    path.write_text("there")
    assert watched.content() == 5
    path.unlink()
    assert watched.content() == 0
