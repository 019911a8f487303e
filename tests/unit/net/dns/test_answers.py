"""Reading what the DNS says to one question."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.names import dns

from gateway.net.dns.answers import (
    AliasTrouble,
    DNSAnswer,
    DNSQuestion,
    LookupOutcome,
    RecordType,
    follow_aliases,
    in_words,
    read_records,
)
from gateway.net.dns.service_records import ServiceRecord


def record(name: str, payload: Any, cls: int = dns.IN) -> dns.RRHeader:
    return dns.RRHeader(name, payload.TYPE, cls, 60, payload)


def address(name: str, text: str = "192.0.2.1") -> dns.RRHeader:
    return record(name, dns.Record_A(text))


def alias(name: str, target: str) -> dns.RRHeader:
    return record(name, dns.Record_CNAME(target))


def follow(*answers: dns.RRHeader, name: str = "a.test", most: int = 8) -> tuple[list[str], list[dns.RRHeader]]:
    names = [name]
    return names, follow_aliases(answers, names, dns.A, most)


def test_records_of_the_name_that_was_asked_count_in_any_case() -> None:
    wanted = address("A.Test")
    assert follow(wanted) == (["a.test"], [wanted])


@pytest.mark.parametrize(
    "stranger",
    [
        address("b.test"),
        record("a.test", dns.Record_AAAA("::1")),
        record("a.test", dns.Record_A("192.0.2.1"), cls=dns.CH),
    ],
    ids=["another name", "another kind", "another class"],
)
def test_records_that_were_not_asked_for_do_not_count(stranger: dns.RRHeader) -> None:
    assert follow(stranger) == (["a.test"], [])


def test_aliases_are_followed_in_any_order() -> None:
    wanted = address("c.test")
    assert follow(wanted, alias("b.test", "c.test"), alias("a.test", "B.test")) == (
        ["a.test", "b.test", "c.test"],
        [wanted],
    )


def test_records_beside_an_alias_do_not_count() -> None:
    assert follow(address("a.test"), alias("a.test", "b.test")) == (["a.test", "b.test"], [])


@pytest.mark.parametrize(
    ("answers", "trouble"),
    [
        ([alias("a.test", "a.test")], "leads back to a.test"),
        ([alias("a.test", "b.test"), alias("b.test", "a.test")], "leads back to a.test"),
        ([alias("a.test", "1.test"), *(alias(f"{n}.test", f"{n + 1}.test") for n in range(1, 9))], "more than 8"),
        ([alias("a.test", "")], "other than a host name"),
        ([alias("a.test", "x y.test")], "other than a host name"),
    ],
    ids=["itself", "circle", "too many", "root", "other than a host name"],
)
def test_aliases_that_lead_nowhere_are_trouble(answers: list[dns.RRHeader], trouble: str) -> None:
    with pytest.raises(AliasTrouble, match=trouble):
        follow(*answers)


def test_eight_aliases_are_not_too_many() -> None:
    chain = [alias(f"{n}.test", f"{n + 1}.test") for n in range(8)]
    assert len(follow(*chain, address("8.test"), name="0.test")[1]) == 1


@pytest.mark.parametrize(
    ("kind", "payloads", "values"),
    [
        ("A", [dns.Record_A("192.0.2.1"), dns.Record_A("192.0.2.1")], ("192.0.2.1",)),
        ("A", [dns.Record_A("0.0.0.0"), dns.Record_A("224.0.0.1")], ()),
        ("AAAA", [dns.Record_AAAA("2001:DB8::0:1"), dns.Record_AAAA("::")], ("2001:db8::1",)),
    ],
)
def test_addresses_are_read_once_each_and_without_those_of_no_server(
    kind: RecordType, payloads: list[Any], values: tuple[str, ...]
) -> None:
    assert read_records(kind, [record("a.test", payload) for payload in payloads]) == values


@pytest.mark.parametrize(
    ("payload", "port", "target"),
    [
        (dns.Record_SRV(1, 2, 5269, "XMPP.example.test"), 5269, "xmpp.example.test"),
        (dns.Record_SRV(1, 2, 0, ""), 0, ""),
        (dns.Record_SRV(1, 2, 0, "xmpp.example.test"), 0, ""),
        (dns.Record_SRV(1, 2, 5269, "no host.example.test"), 5269, ""),
        (dns.Record_SRV(1, 2, 5269, b"\xff.test"), 5269, ""),
    ],
    ids=["server", "root", "port 0", "space", "byte"],
)
def test_service_record_without_a_usable_server_is_taken_as_none(
    payload: dns.Record_SRV, port: int, target: str
) -> None:
    assert read_records("SRV", [record("_x._tcp.test", payload)]) == (
        ServiceRecord(priority=1, weight=2, port=port, target=target),
    )


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b"\x00\x05issueca.test", ('0 issue "ca.test"',)),
        (b"\x80\x05issue", ('128 issue ""',)),
        (b"\x00\x05issue\xff;", ('0 issue "\ufffd;"',)),
        (b"\x00\x06issue", ()),
        (b"\x00", ()),
        (b"", ()),
    ],
    ids=["an authority", "none", "a byte", "cut short", "no tag", "nothing"],
)
def test_who_may_issue_is_read_as_zone_files_have_it(data: bytes, read: tuple[str, ...]) -> None:
    assert read_records("CAA", [dns.RRHeader("a.test", 257, dns.IN, 60, dns.UnknownRecord(data))]) == read


def test_names_of_nameservers_and_text_are_read() -> None:
    assert read_records("NS", [record("", dns.Record_NS("A.root.test"))]) == ("a.root.test",)
    assert read_records("TXT", [record("a.test", dns.Record_TXT(b"one ", b"two\xff"))]) == ("one two\ufffd",)


def test_what_was_found_is_put_in_words() -> None:
    server = ServiceRecord(priority=0, weight=0, port=1, target="a.test")
    nothing = ServiceRecord(priority=0, weight=0, port=0, target="")
    assert [
        in_words("A", ("192.0.2.1", "192.0.2.2")),
        in_words("A", ()),
        in_words("SRV", (server,)),
        in_words("SRV", (server, nothing)),
        in_words("SRV", (nothing,)),
    ] == [
        "192.0.2.1, 192.0.2.2",
        "nothing that can be used",
        "1 record",
        "2 records",
        "the domain says that there is no such service",
    ]


def test_answer_reads_as_a_sentence() -> None:
    question = DNSQuestion(kind="SRV", name="_xmpp-server._tcp.example.com")
    answer = DNSAnswer(question=question, outcome=LookupOutcome.FOUND, detail="2 records", remembered=True)
    assert answer.sentence == "SRV _xmpp-server._tcp.example.com: 2 records, known from before"
