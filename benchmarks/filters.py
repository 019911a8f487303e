"""`python -m benchmarks.filters`: what rules cost, for stanzas on which they have no effect.

One process reads the same bytes again and again and routes them to one of our domains, in turn without rules, with
rules for other domains, and with each condition. No stanza meets its rule, so each row is the cost of finding that out.
The least of many rounds counts. The last row is an empty loop, to compare machines.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.config.filters import read_filters
from gateway.config.reading import Reading
from gateway.filters.acquaintances import Acquaintances
from gateway.filters.border import Border
from gateway.filters.lists import Entries, NamedList
from gateway.routing.interfaces import IRoute
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.tap import spare_the_collector
from gateway.xmpp.addresses import AddressCache, Domain, DomainPair
from gateway.xmpp.stanzas import AddressedStanza

OURS, FAR = Domain("ours.example"), Domain("far.example")
FLUSH = 16  # stanzas of a pair in one read
SENDERS = 50
STANZA_BYTES = 340
MESSAGE = "<message from='a{sender}@{far}/r' to='b@{ours}' type='chat' id='{id}'><body>{body}</body></message>"
DIGEST = "0123456789abcdef" * 4

RULES: dict[str, dict[str, object]] = {
    "no rules": {},
    "rules for other domains": {"from": ["elsewhere.example", "*.elsewhere.example"], "urls": True},
    "a list of other domains": {"listed": "domains"},
    "kind": {"kind": "presence"},
    "type": {"kind": "message", "type": "groupchat"},
    "larger_than": {"larger_than": 100_000},
    "people": {"from": ["x@far.example", "y@far.example"]},
    "a list of people": {"listed": "people"},
    "a list of digests": {"listed": "digests"},
    "stranger": {"stranger": True},
    "rate per sender": {"rate": "900000000/hour"},
    "rate per pair": {"rate": "900000000/hour per pair"},
    "payload": {"payload": "jabber:x:oob"},
    "urls": {"urls": True},
    "language": {"language": "de"},
}
LISTS = {
    "domains": [f"{number}.spam.example" for number in range(1000)],
    "people": [f"{number}@far.example" for number in range(1000)],
    "digests": [DIGEST],
}


@implementer(IRoute)
class Sink:
    """A route that forgets what it gets."""

    def deliver(self, stanza: AddressedStanza) -> None:
        """Forget a stanza."""

    def flush(self) -> Deferred[None] | None:
        """Write nothing."""
        return None


class Case:
    """A router, and a border with one rule before it."""

    def __init__(self, when: dict[str, object]) -> None:
        self.least = float("inf")
        self._router = Router(Domains({OURS: DomainRule()}), self._route, lambda notice: None)
        self._router.attach(OURS, Sink())
        self._codec = Codec(Budget(), AddressCache())
        self._codec.feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>")
        self._codec.take(1)
        body = "x" * (STANZA_BYTES - len(MESSAGE))
        self._reads = [
            "".join(MESSAGE.format(sender=sender, far=FAR, ours=OURS, id=id, body=body) for id in range(FLUSH)).encode()
            for sender in range(SENDERS)
        ]
        if when:
            self._guard(when)

    def _route(self, pair: DomainPair) -> IRoute:
        raise AssertionError(f"nothing is for {pair.target}")

    def _guard(self, when: dict[str, object]) -> None:
        lists = {name: NamedList(name, "a benchmark") for name in LISTS}
        for name, named in lists.items():
            named.entries = Entries(LISTS[name])
        reading = Reading(Path("gateway.toml"))
        rules = read_filters(reading, [{"name": "a rule", "when": when, "then": "drop"}], dict.fromkeys(lists))
        reading.check()
        known = Acquaintances()
        border = self._router.border = Border(
            router=self._router,
            is_own=self._router.domains.is_own,
            acquaintances=known,
            contacts=lambda domain: None,
            clock=reactor,
            time_of_day=time.time,
            publish=self._unwanted,
            holding=None,  # type: ignore[arg-type]
            report=self._unwanted,
        )
        border.replace(rules, lists)
        known.restore([f"{time.time():.0f}\tb@{OURS}\ta{sender}@{FAR}\n" for sender in range(SENDERS)], time.time())

    @staticmethod
    def _unwanted(*what: object) -> None:
        raise AssertionError(f"a rule applies: {what}")

    def round(self, stanzas: int) -> None:
        """Pass stanzas, and note the microseconds of processor time of each."""
        turns = stanzas // (SENDERS * FLUSH)
        began = time.process_time()
        for _ in range(turns):
            for data in self._reads:
                self._codec.feed(data)
                while items := self._codec.take(-1):
                    self._router.route_all(items)
                self._router.flush()
        used = 1e6 * (time.process_time() - began) / (turns * SENDERS * FLUSH)
        self.least = min(self.least, used)


def loop_cost(rounds: int = 20, times: int = 100_000) -> float:
    """Return the microseconds of one turn of an empty loop, at best."""
    least = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            pass
        least = min(least, time.process_time() - began)
    return 1e6 * least / times


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the rules in turns, and print the least of each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.filters", description="The cost of rules.")
    parser.add_argument("--stanzas", type=int, default=8_000, help="in one round")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args(arguments)
    cases = {name: Case(when) for name, when in RULES.items()}
    spare_the_collector()  # as the service does
    for _ in range(options.rounds):
        for case in cases.values():
            case.round(options.stanzas)
    plain = cases["no rules"].least
    print(f"{STANZA_BYTES} bytes, {FLUSH} stanzas a read; microseconds of CPU a stanza: read, examined and routed")
    for name, case in cases.items():
        print(f"  {name:<24} {case.least:6.2f}  {case.least - plain:+6.2f}  {case.least / plain:6.3f}")
    print(f"  {'(an empty loop)':<24} {loop_cost():6.3f}")


if __name__ == "__main__":
    main()
