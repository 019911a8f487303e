"""One question to the nameservers, on real sockets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import deferLater
from twisted.names import dns

from gateway.net.dns.nameservers import Nameservers, NameserverSilent, ask_over_tcp
from gateway.net.dns.system_names import parse_nameserver
from tests.support.dns import NameServer
from tests.support.reactor import run_in_reactor, running_reactor

PATIENT = (30.0,)  # where an answer comes: longer than a busy machine takes
SHORT = (0.5, 0.5)  # where none does
AGAIN = (0.2,) * 50  # where one server is silent and another answers, in one of the rounds
THERE = {"example.test": {"A": ["127.0.0.2"]}}


def ask(*servers: NameServer, rounds: Sequence[float] = PATIENT) -> dns.Message:
    """Start the servers, ask them in this order for the address of example.test, and stop them."""

    async def scenario() -> dns.Message:
        for server in servers:
            await server.start(running_reactor())
        addresses = [parse_nameserver(server.address) for server in servers]
        try:
            nameservers = Nameservers(running_reactor(), lambda: addresses, rounds)
            return await nameservers.ask(dns.Query("example.test", dns.A))
        finally:
            for server in servers:
                await server.stop()

    return run_in_reactor(scenario)


def addresses(message: dns.Message) -> list[str]:
    return [record.payload.dottedQuad() for record in message.answers]


def test_first_server_that_answers_is_the_only_one_asked() -> None:
    first, second = NameServer(THERE), NameServer(THERE)
    assert addresses(ask(first, second)) == ["127.0.0.2"]
    assert first.queries == [("A", "example.test", "udp")]
    assert second.queries == []


def test_nameserver_may_have_an_ipv6_address() -> None:
    server = NameServer({"example.test": {"A": ["127.0.0.2"], "TRUNCATED": True}})

    async def scenario() -> dns.Message:
        await server.start(running_reactor(), "::1")
        nameservers = Nameservers(running_reactor(), lambda: [parse_nameserver(server.address)], PATIENT)
        try:
            return await nameservers.ask(dns.Query("example.test", dns.A))
        finally:
            await server.stop()

    assert addresses(run_in_reactor(scenario)) == ["127.0.0.2"]
    assert [transport for _, _, transport in server.queries] == ["udp", "tcp"]


def test_no_such_name_is_an_answer() -> None:
    first, second = NameServer({}), NameServer(THERE)
    assert ask(first, second).rCode == dns.ENAME
    assert second.queries == []


@pytest.mark.parametrize("fault", ["SERVFAIL", "REFUSED", "SILENT"])
def test_server_that_fails_or_is_silent_is_passed_over(fault: str) -> None:
    first, second = NameServer({"example.test": fault}), NameServer(THERE)
    assert addresses(ask(first, second, rounds=AGAIN)) == ["127.0.0.2"]
    assert len(first.queries) == len(second.queries)


def test_failure_of_every_server_is_told_once_for_each_and_weighs_more_than_silence() -> None:
    failing, silent = NameServer({"example.test": "SERVFAIL"}), NameServer({"example.test": "SILENT"})
    with pytest.raises(NameserverSilent) as failure:
        ask(silent, failing, rounds=SHORT)
    assert failure.value.sentence == f"{failing.address} could not resolve it (SERVFAIL)"
    assert not failure.value.silent
    assert len(failing.queries) == len(silent.queries) == len(SHORT)


def test_silence_of_every_server_is_told_as_silence() -> None:
    server = NameServer({"example.test": "SILENT"})
    with pytest.raises(NameserverSilent) as failure:
        ask(server, rounds=SHORT)
    assert failure.value.sentence == f"no answer from {server.address}"
    assert failure.value.silent


def test_without_any_nameserver_there_is_no_answer() -> None:
    with pytest.raises(NameserverSilent, match="no nameserver to ask"):
        ask()


def test_answer_that_was_cut_short_is_asked_for_over_tcp() -> None:
    many = [f"127.0.{part}.{host}" for part in (1, 2) for host in range(1, 101)]
    server = NameServer({"example.test": {"A": many}})
    assert sorted(addresses(ask(server))) == sorted(many)
    assert [transport for _, _, transport in server.queries] == ["udp", "tcp"]


def test_connection_for_an_answer_that_was_cut_short_is_closed() -> None:
    server = NameServer({"example.test": {"A": ["127.0.0.2"], "TRUNCATED": True}})

    async def scenario() -> None:
        await server.start(running_reactor())
        address = parse_nameserver(server.address)
        await ask_over_tcp(running_reactor(), address, dns.Query("example.test", dns.A), 30)
        while server.connections:  # until the timeout
            await deferLater(running_reactor(), 0.01)
        await server.stop()

    run_in_reactor(scenario)
    assert server.queries == [("A", "example.test", "tcp")]


def test_tcp_that_is_closed_without_an_answer_passes_on_at_once() -> None:
    class HangUp(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.loseConnection()

    first, second = Split(HangUp), NameServer(THERE)
    assert addresses(ask(first, second)) == ["127.0.0.2"]


def test_tcp_that_is_refused_passes_on() -> None:
    first, second = Split(None), NameServer(THERE)
    assert addresses(ask(first, second)) == ["127.0.0.2"]


def test_answer_to_another_question_is_not_taken() -> None:
    def other_question(answer: dns.Message) -> dns.Message:
        answer.queries = [dns.Query("evil.test", dns.A)]
        return answer

    liar, honest = NameServer({"example.test": {"A": ["127.6.6.6"]}}, alter=other_question), NameServer(THERE)
    assert addresses(ask(liar, honest)) == ["127.0.0.2"]
    with pytest.raises(NameserverSilent, match="answered another question"):
        ask(liar)


def test_answer_with_another_id_is_not_taken() -> None:
    def other_id(answer: dns.Message) -> dns.Message:
        answer.id ^= 1
        return answer

    liar, honest = NameServer({"example.test": {"A": ["127.6.6.6"]}}, alter=other_id), NameServer(THERE)
    assert addresses(ask(liar, honest, rounds=AGAIN)) == ["127.0.0.2"]


def test_query_sent_back_as_it_is_is_no_answer() -> None:
    def echo(answer: dns.Message) -> dns.Message:
        answer.answer = 0
        return answer

    mirror, honest = NameServer(THERE, alter=echo), NameServer(THERE)
    ask(mirror, honest)
    assert len(honest.queries) == 1


class Split(NameServer):
    """Cuts every answer over UDP short, and treats TCP in its own way: a protocol, or None to refuse connections."""

    def __init__(self, over_tcp: type[Protocol] | None) -> None:
        super().__init__({"example.test": {"A": ["127.0.0.1"], "TRUNCATED": True}})
        self._over_tcp = over_tcp

    async def start(self, reactor: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        await super().start(reactor, host, port)
        stream = self._ports.pop(0)
        chosen = stream.getHost().port
        await stream.stopListening()
        if self._over_tcp is not None:
            factory = ServerFactory.forProtocol(self._over_tcp)
            self._ports.append(reactor.listenTCP(chosen, factory, interface=host))


# -- DNSSEC ------------------------------------------------------------------------------------------------------------


def ask_believing(*servers: NameServer, rounds: Sequence[float] = PATIENT) -> dns.Message:
    """The same with nameservers that are believed to check signatures."""

    async def scenario() -> dns.Message:
        for server in servers:
            await server.start(running_reactor())
        addresses = [parse_nameserver(server.address) for server in servers]
        try:
            nameservers = Nameservers(
                running_reactor(), lambda: addresses, rounds, believes=lambda server: server == addresses[0]
            )
            return await nameservers.ask(dns.Query("example.test", dns.A))
        finally:
            for server in servers:
                await server.stop()

    return run_in_reactor(scenario)


SECURE = {"example.test": {"A": ["127.0.0.2"], "SECURE": True}}


@pytest.mark.parametrize("truncated", [False, True])
def test_a_believed_nameserver_is_asked_for_its_word_and_taken_at_it(truncated: bool) -> None:
    records = {"example.test": {**SECURE["example.test"], "TRUNCATED": truncated}}
    assert ask_believing(NameServer(records)).authenticData
    assert not ask_believing(NameServer(THERE)).authenticData


def test_the_word_of_any_other_nameserver_does_not_count() -> None:
    def vouch(answer: dns.Message) -> dns.Message:
        answer.authenticData = 1
        return answer

    assert not ask(NameServer(THERE, vouch)).authenticData
    assert not ask_believing(
        NameServer({"example.test": "SILENT"}), NameServer(THERE, vouch), rounds=AGAIN
    ).authenticData


def test_bogus_is_final_whatever_other_nameservers_would_say() -> None:
    bogus, other = NameServer({"example.test": "BOGUS"}), NameServer(THERE)
    with pytest.raises(NameserverSilent, match="signatures of the answer are wrong") as failure:
        ask_believing(bogus, other)
    assert failure.value.bogus
    assert other.queries == []


def test_a_believed_nameserver_that_only_fails_is_passed_over() -> None:
    assert addresses(ask_believing(NameServer({"example.test": "SERVFAIL"}), NameServer(THERE))) == ["127.0.0.2"]
