"""A small authoritative nameserver for tests, well behaved or not, over UDP and TCP.

In the process of a test:

    server = NameServer({"example.test": {"A": ["127.0.0.2"]}})
    await server.start(reactor)                  # on a free port of 127.0.0.1; server.address is "127.0.0.1:PORT"
    server.records["other.test"] = "SERVFAIL"    # records may change at any time
    server.queries                               # [("A", "example.test", "udp"), ...]
    await server.stop()

Standing alone, with its queries on standard output, reading the zone file again whenever it has changed:

    python -m tests.support.dns --listen 127.0.0.53:53 zonefile.json

A zone is a dictionary (in a file: JSON) from names to what is there:

    {"example.test": {"A": ["127.0.0.2"], "AAAA": ["::1"], "TTL": 5},
     "_5269._tcp.example.test": {"TLSA": ["3 1 1 0123"], "SECURE": true},
     "_xmpp-server._tcp.example.test": {"SRV": ["10 5 5269 xmpp.example.test", "20 0 0 ."]},
     "www.example.test": {"CNAME": "example.test"},
     "half.test": {"A": ["127.0.0.2"], "AAAA": "SILENT"},
     "long.test": {"A": ["127.0.0.2"], "TRUNCATED": true},
     "broken.test": "SERVFAIL", "lost.test": "SILENT", "gone.test": "NXDOMAIN"}

SERVFAIL, REFUSED, NXDOMAIN and SILENT (never answers) in place of records hold for that kind of record; in place of a
whole entry, for the name and all below it. BOGUS is SERVFAIL unless the question says to check nothing (CD), as a
validating resolver has it; an entry with "SECURE": true is proved by DNSSEC (AD). TRUNCATED, as every answer above 512
bytes, sends UDP askers to TCP. Names that are not there are NXDOMAIN, unless there is something below them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.names import dns
from twisted.names.server import DNSServerFactory

from gateway.net.dns.answers import TLSA
from gateway.net.dns.nameservers import NameserverSilent
from gateway.net.dns.system_names import WatchedFile

FAULTS = {"SERVFAIL": dns.ESERVER, "REFUSED": dns.EREFUSED, "NXDOMAIN": dns.ENAME, "BOGUS": dns.ESERVER}
BOGUS = "BOGUS"
SILENT = "SILENT"
TTL = 60
UDP_BYTES = 512
PORT_ATTEMPTS = 20

Zone = Mapping[str, Any]
Alter = Callable[[dns.Message], dns.Message]


class NameServer(DNSServerFactory):
    """Answers from a zone; `alter` may tamper with each answer before it is sent."""

    noisy = False

    def __init__(self, records: dict[str, Any] | None = None, alter: Alter = lambda answer: answer) -> None:
        super().__init__()
        self.records = {} if records is None else records
        self.alter = alter
        self.queries: list[tuple[str, str, str]] = []
        self.address = ""
        self._ports: list[Any] = []

    async def start(self, reactor: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen on one port for both UDP and TCP, on a free one for port 0."""
        for attempt in range(PORT_ATTEMPTS if port == 0 else 1):
            stream = reactor.listenTCP(port, self, interface=host)
            chosen = stream.getHost().port
            try:
                datagrams = reactor.listenUDP(chosen, dns.DNSDatagramProtocol(self, reactor), interface=host)
            except CannotListenError:
                await maybeDeferred(stream.stopListening)
                if attempt == PORT_ATTEMPTS - 1 or port:
                    raise
                continue
            self._ports += [stream, datagrams]
            self.address = f"[{host}]:{chosen}" if ":" in host else f"{host}:{chosen}"
            return

    async def stop(self) -> None:
        """Stop listening, and close the connections that are still open."""
        ports, self._ports = self._ports, []
        for connection in list(self.connections):
            connection.transport.abortConnection()
        await gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def asked(self, kind: str) -> list[str]:
        """The names that were asked for with this kind of record, in order."""
        return [name for each, name, _ in self.queries if each == kind]

    def zone(self) -> Zone:
        """The records as they are now."""
        return self.records

    def handleQuery(self, message: dns.Message, protocol: Any, address: Any) -> Deferred[None] | None:
        kind, name = _kind_and_name(message)
        transport = "tcp" if address is None else "udp"
        self.queries.append((kind, name, transport))
        self.log(kind, name, transport)
        answer = self.answer(message)
        if answer is not None:
            answer.maxSize = UDP_BYTES if transport == "udp" else 0
            answer.trunc = answer.trunc if transport == "udp" else 0
            self.sendReply(protocol, self.alter(answer), address)
        return None

    def log(self, kind: str, name: str, transport: str) -> None:
        """Hear of a query; here, nothing is said."""

    def answer(self, message: dns.Message) -> dns.Message | None:
        """Return what is answered to a query; None when that is nothing at all."""
        lookup = Lookup(self.zone(), *_kind_and_name(message))
        if lookup.fault == SILENT:
            return None
        code = dns.OK if lookup.fault == BOGUS and message.checkingDisabled else FAULTS.get(lookup.fault, dns.OK)
        answer: dns.Message = self._responseFromMessage(message, rCode=code)
        answer.auth = True
        answer.authenticData = int(bool(message.authenticData and lookup.is_secure))
        answer.recDes = (
            message.recDes
        )  # Twisted does not copy it, and Erlang believes no answer without (RFC 1035 §4.1.1)
        if code == dns.OK and lookup.truncated:
            answer.trunc = 1
        if code == dns.OK:
            answer.answers = list(lookup.answers())
        if not answer.answers:
            answer.authority = [_start_of_authority(lookup.name)]
        return answer


class FileNameServer(NameServer):
    """Answers from a zone file, and prints each query."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._file = WatchedFile(path, lambda text: json.loads(text) if text.strip() else {})

    def zone(self) -> Zone:
        return self._file.content()

    def log(self, kind: str, name: str, transport: str) -> None:
        print(f"{kind} {name} {transport}", flush=True)


class Table:
    """The same answers without sockets and without time, for tests with a Clock: in place of the nameservers.

    While `held` is a list, each question is kept in it, as a Deferred that lets it be answered when it is fired.
    """

    def __init__(self, records: dict[str, Any]) -> None:
        self.server = NameServer(records)
        self.asked: list[str] = []
        self.held: list[Deferred[None]] | None = None

    async def ask(self, query: dns.Query) -> dns.Message:
        message = dns.Message(recDes=1, authenticData=1)
        message.queries = [query]
        self.asked.append(" ".join(_kind_and_name(message)))
        if self.held is not None:
            self.held.append(Deferred())
            await self.held[-1]
        answer = self.server.answer(message)
        if answer is None:
            raise NameserverSilent("no answer from the table", silent=True)
        if answer.rCode not in (dns.OK, dns.ENAME):
            message.checkingDisabled = 1
            unchecked = self.server.answer(message)
            bogus = unchecked is not None and unchecked.rCode == dns.OK
            raise NameserverSilent("the table could not resolve it (SERVFAIL)", silent=False, bogus=bogus)
        return answer


class Lookup:
    """One query against a zone: its `fault`, or the records that answer it."""

    def __init__(self, zone: Zone, kind: str, name: str) -> None:
        self._zone = {entry.lower().rstrip("."): content for entry, content in zone.items()}
        self._kind = kind
        self.name = name
        self.fault = self._fault()
        self.truncated = self._entry(name).get("TRUNCATED", False)
        self.is_secure = self._entry(name).get("SECURE", False)

    def _fault(self) -> str:
        labels = self.name.split(".")
        for start in range(len(labels)):
            content = self._zone.get(".".join(labels[start:]))
            if isinstance(content, str):
                return content
        of_kind = self._entry(self.name).get(self._kind)
        if isinstance(of_kind, str) and self._kind != "CNAME":
            return of_kind
        return "" if self._exists() else "NXDOMAIN"

    def _exists(self) -> bool:
        return any(entry == self.name or entry.endswith(f".{self.name}") for entry in self._zone)

    def _entry(self, name: str) -> dict[str, Any]:
        content = self._zone.get(name, {})
        return content if isinstance(content, dict) else {}

    def answers(self) -> Iterator[dns.RRHeader]:
        """The records for the name, after the aliases that lead to them as far as this zone knows them."""
        name, seen = self.name, set[str]()
        while (alias := self._entry(name).get("CNAME")) and self._kind != "CNAME" and name not in seen:
            seen.add(name)
            yield self._record(name, dns.CNAME, dns.Record_CNAME(alias.rstrip("."), self._ttl(name)))
            name = alias.lower().rstrip(".")
        values = self._entry(name).get(self._kind, [])
        for value in [values] if isinstance(values, str) else values:
            payload = PAYLOADS[self._kind](value, self._ttl(name))
            yield self._record(name, payload.TYPE, payload)

    def _ttl(self, name: str) -> int:
        return int(self._entry(name).get("TTL", TTL))

    def _record(self, name: str, kind: int, payload: Any) -> dns.RRHeader:
        return dns.RRHeader(name, kind, dns.IN, self._ttl(name), payload, auth=True)


def _service(text: str, ttl: int) -> dns.Record_SRV:
    priority, weight, port, target = text.split()
    return dns.Record_SRV(int(priority), int(weight), int(port), target.rstrip("."), ttl)


PAYLOADS: dict[str, Callable[[str, int], Any]] = {
    "A": dns.Record_A,
    "AAAA": dns.Record_AAAA,
    "CNAME": lambda text, ttl: dns.Record_CNAME(text.rstrip("."), ttl),
    "SRV": _service,
    "TLSA": lambda text, ttl: _association(text, ttl),
    "NS": lambda text, ttl: dns.Record_NS(text.rstrip("."), ttl),
    "TXT": lambda text, ttl: dns.Record_TXT(text.encode(), ttl=ttl),
}


def _association(text: str, ttl: int) -> Any:
    """A TLSA record, `3 1 1 DIGEST`, which twisted.names knows as bytes only."""
    *numbers, data = text.split()
    record: Any = dns.UnknownRecord(bytes(map(int, numbers)) + bytes.fromhex(data), ttl)
    record.TYPE = TLSA
    return record


def _kind_and_name(message: dns.Message) -> tuple[str, str]:
    query = message.queries[0]
    known = {**dns.QUERY_TYPES, TLSA: "TLSA"}
    return known.get(query.type, str(query.type)), str(query.name).lower()


def _start_of_authority(name: str) -> dns.RRHeader:
    apex = name.rpartition(".")[2]
    payload = dns.Record_SOA(f"ns.{apex}", f"hostmaster.{apex}", 1, 60, 60, 60, 5, 5)
    return dns.RRHeader(apex, dns.SOA, dns.IN, 5, payload, auth=True)


def main(arguments: list[str]) -> None:
    """Serve a zone file until a signal comes."""
    from twisted.internet import reactor

    parser = argparse.ArgumentParser(prog="python -m tests.support.dns", description="a nameserver for tests")
    parser.add_argument("--listen", default="127.0.0.53:53", metavar="HOST:PORT")
    parser.add_argument("zone", metavar="zonefile.json")
    options = parser.parse_args(arguments)
    host, _, port = options.listen.rpartition(":")
    server = FileNameServer(options.zone)
    server.zone()

    def listening(result: Any) -> None:
        print(f"listening on {server.address}", flush=True)

    problems: list[str] = []

    def failed(failure: Any) -> None:
        problems.append(f"cannot listen on {options.listen}: {failure.value}")
        reactor.stop()  # type: ignore[attr-defined]

    def start() -> None:
        Deferred.fromCoroutine(server.start(reactor, host.strip("[]"), int(port))).addCallbacks(listening, failed)

    reactor.callWhenRunning(start)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    main(sys.argv[1:])
