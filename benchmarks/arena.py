"""The arena: the servers under test, set up alike, and the world that they federate with.

All servers run for the whole run; only the one being measured has anything to do. Outside are the domains of the load
generators, which all servers find by the same DNS and trust by the same authority.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import OURS
from benchmarks.load.outside import Offer, Outside
from benchmarks.load.remote import Remote
from benchmarks.load.streams import Credentials, Place
from benchmarks.meter import Meter
from tests.interop.peers import Ejabberd, Gateway, NotInstalledError, Peer, Prosody
from tests.interop.peers.site import CLIENT, COMPONENT, INSIDE, SERVER
from tests.interop.world import World

KINDS: Mapping[str, type[Peer]] = {OURS: Gateway, "prosody": Prosody, "ejabberd": Ejabberd}
REMOTE = "remote.test"
RELAYED = "relayed.test"
MANY, BACK = "many.test", "back.test"
SECRET = "benchmark"
USERS = ("romeo", "juliet")
STREAMS_PER_USER = 20
LARGEST_STANZA = 4 << 20
MOST_STREAMS = 20_000


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The amount of work in a round."""

    stanzas: int = 30_000
    streams: int = 1000
    handshakes: int = 200
    paced: int = 5000
    huge: int = 2_000_000
    settle_seconds: float = 5


QUICK = Scale(stanzas=500, streams=10, handshakes=5, paced=200, huge=200_000, settle_seconds=0.2)


class Subject:
    """One server under test."""

    def __init__(self, name: str, server: Peer) -> None:
        self.name = name
        self.server = server
        self.domain = server.site.domains[0]
        [self.component_domain] = server.site.components
        self.meter = Meter(server.pid)

    @property
    def is_ours(self) -> bool:
        """Return whether this is the gateway, in its present state or an earlier one."""
        return isinstance(self.server, Gateway)

    def server_door(self, domain: str = "") -> Place:
        """Return where other servers connect, for its own domain or another one."""
        return Place(address=self.server.address, port=SERVER, domain=domain or self.domain)

    def component_door(self) -> Place:
        """Return where its component connects."""
        return Place(address=self.server.address, port=COMPONENT, domain=self.component_domain)

    def client_door(self) -> Place:
        """Return where clients connect."""
        return Place(address=self.server.address, port=CLIENT, domain=self.domain)

    def inside_door(self, domain: str) -> Place:
        """Return where a relayed server connects to reach that domain."""
        return Place(address=self.server.address, port=INSIDE, domain=domain)


class Arena:
    """The world, the outside, and the servers."""

    def __init__(
        self, folder: Path, names: Iterable[str], scale: Scale, kinds: Mapping[str, type[Peer]] = KINDS
    ) -> None:
        self.scale = scale
        self._kinds = kinds
        self.subjects: dict[str, Subject] = {}
        self._names = names
        self._world = World(folder)

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            ends.enter_context(self._world)
            self._populate(ends)
            for name in self._names:
                self.subjects[name] = ends.enter_context(self.started(name, users=USERS))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    def _populate(self, ends: ExitStack) -> None:
        """Set up the outside domains: those that take certificates at one address, those that
        want dialback at another.
        """
        world = self._world
        self.credentials = self._issue(REMOTE, f"*.{MANY}", RELAYED)
        outside, back = world.address(), world.address()
        self.outside_address = outside
        self._publish(outside, f"server.{MANY}", [REMOTE, *self.many(self.scale.streams)])
        self._publish(back, f"server.{BACK}", self.many(self.scale.handshakes, BACK))
        self.outside = ends.enter_context(Remote(Outside, outside, SERVER, self.credentials))
        offer = Offer(external=False)
        self.back = ends.enter_context(Remote(Outside, back, SERVER, self._issue(f"*.{BACK}"), offer))

    def _publish(self, address: str, host: str, domains: Iterable[str]) -> None:
        """Publish many domains on one host; a server that uses libc's resolver can have only a hundred hosts."""
        self._world.nameserver.publish(address, host)
        service = {"SRV": [f"10 0 {SERVER} {host}"]}
        self._world.nameserver.publish_records({f"_xmpp-server._tcp.{domain}": service for domain in domains})

    def _issue(self, *names: str) -> Credentials:
        return Credentials(
            bundle=self._world.bundle(self._world.authority.issue(*names)), authorities=self._world.authorities
        )

    @staticmethod
    def many(count: int, above: str = MANY) -> list[str]:
        """Return this many outside domains."""
        return [f"d{number}.{above}" for number in range(count)]

    @contextmanager
    def started(self, name: str, variant: str = "", users: Iterable[str] = ()) -> Iterator[Subject]:
        """Start a server of that kind, at an address and with its own domains; these users have accounts."""
        kind = self._kinds[name]
        domain = f"{variant}{name}.test"
        site = self._world.site(
            domain,
            components={f"component.{domain}": SECRET},
            verbose=False,
            options=_options(kind, domain, self.outside_address),
        )
        with kind(site, self._world.folder / f"{name}-{site.address}") as server:
            subject = Subject(name, server)
            for user in users:
                server.register(f"{user}@{domain}", SECRET)
            yield subject
        self._world.nameserver.withdraw(*site.domains, *site.components)  # so that the next one can have them


def installed(names: Iterable[str]) -> list[str]:
    """Return those servers that are installed; report what is missing for the others."""
    found = []
    for name in names:
        try:
            KINDS[name].check_installed()
        except NotInstalledError as problem:
            print(f"skipped: {problem}", file=sys.stderr)
        else:
            found.append(name)
    return found


def _options(kind: type[Peer], domain: str, outside: str) -> Mapping[str, Any]:
    """Return the options that keep each server from refusing the work: room for large stanzas and for many streams."""
    if kind is Prosody:
        return {"s2s_stanza_size_limit": LARGEST_STANZA}
    if kind is Ejabberd:
        # With a salted password it would keep the garbage of the check, 600 KiB for as long as a client is idle.
        return {"auth_password_format": "plain", "shaper_rules": {"max_user_sessions": STREAMS_PER_USER}}
    relayed = {"serve": "relay", "connect": f"tcp:{outside}:{SERVER}", "authenticate": ["external"]}
    return {
        "domains": {domain: {"serve": "im"}, RELAYED: relayed},
        "peers": {"any": {"stanza_bytes": LARGEST_STANZA, "assumed_stanza_bytes": LARGEST_STANZA}},
        "limits": {
            "streams_per_address": MOST_STREAMS,
            "unauthenticated_streams": MOST_STREAMS,
            "connections_per_minute": 0,
        },
    }
