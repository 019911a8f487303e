"""The story: the order of what the demo does."""

from __future__ import annotations

import time
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import clientFromString

from gateway.commands import COMMANDS
from gateway.config import load
from gateway.config.settings import ComponentDomain
from gateway.demo import names, people
from gateway.demo.narrator import DemoNarrator
from gateway.demo.outside import Outside
from gateway.demo.visitor import Visitor
from gateway.net.dns.system_names import parse_nameserver
from gateway.operations.log import notice_log
from gateway.service import build
from gateway.timing.reactor import IReactor

ATTACHES = "bridge.demo.test"
TO_BE_TRIED = {
    "check": "what it serves, and any mistake in its configuration",
    "status": "the state of the service",
    "peers": "the domains it has streams with",
    "explain outside.test": "how its stream with outside.test came about",
    "probe outside.test": "a new attempt, step by step",
    "probe nowhere.test": "an attempt that fails, step by step",
}


class Story:
    """Both gateways and the visitor, from the first line to the last."""

    def __init__(self, reactor: IReactor, configuration: Path, narrator: DemoNarrator) -> None:
        self._reactor = reactor
        self._narrator = narrator
        self._configuration = configuration
        self._settings = load(configuration)
        self._outside = Outside(configuration.with_name("demo-outside.toml"), self._settings.gateway.state)
        assert self._settings.dns.nameservers is not None
        (nameserver,) = self._settings.dns.nameservers
        self._address, self._names_port = parse_nameserver(nameserver)  # the address of everything
        people.settle(self._settings)
        self._gateway = build(self._settings, reactor)
        self._gateway.shared.board.subscribe(narrator.notice)
        self._gateway.shared.board.subscribe(notice_log("debug"))

    @property
    def page(self) -> str:
        """The address of the page."""
        (door,) = self._settings.listen.http
        return f"http://{self._address}:{door.split(':')[1]}/"

    async def play(self) -> None:
        """Start everything, send a message and wait for the answer."""
        address = self._address
        self._reactor.listenUDP(self._names_port, names.nameserver(address), interface=address)
        self._gateway.privilegedStartService()
        self._gateway.startService()
        self._reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(self._end()))
        await self._outside.start(self._reactor)
        self._narrator.tell(f"a second gateway plays the outside world: it serves outside.test on {address}:16269")
        await self._visit()
        self._suggest()

    async def _visit(self) -> None:
        domain = next(each for each in self._settings.domains_of(ComponentDomain) if each.domain == ATTACHES)
        visitor = Visitor(domain.domain, domain.secret.text)
        (door,) = self._settings.listen.component
        port = door.split(":")[1]
        await clientFromString(self._reactor, f"tcp:{self._address}:{port}").connect(visitor.factory)
        await visitor.attached
        self._narrator.tell(f"visitor@{ATTACHES}, a user of that component, writes to echo@outside.test: 'Hello!'")
        began = time.monotonic()
        answer = await visitor.say("Hello!", to="echo@outside.test").addTimeout(30, self._reactor)
        took = (time.monotonic() - began) * 1000
        self._narrator.tell(f"visitor@{ATTACHES} gets from echo@outside.test: {answer!r}, {took:.0f} ms after writing")

    def _suggest(self) -> None:
        """Print what to try next, limited to what is there."""
        show = self._narrator.show
        show("\nIt stays up until Ctrl-C. To try next, in another terminal:\n")
        for words, what in TO_BE_TRIED.items():
            name, _, rest = words.partition(" ")
            if name in COMMANDS:
                command = f".venv/bin/xmpp-gateway {name} --config {_short(self._configuration)} {rest}".rstrip()
                show(f"  {command}\n      {what}")
        show(f"  curl {self.page}healthz\n      whether it is healthy")
        show(f"  tail -f {_short(self._settings.gateway.state)}/gateway.log\n      the log of this gateway, in full")
        for name in people.NAMES:
            file = _short(self._settings.gateway.state / f"{name}.password")
            show(
                f"  a client of yours, as {name}@{people.DOMAIN} on {self._address}:15222, with the password in {file}"
            )
        show(f"      {_short(self._settings.gateway.state / 'ca.pem')} has the authority to trust\n")
        secret = _short(self._settings.gateway.state / "game.secret")
        show(f"  your own component, as game.demo.test on {self._address}:15347, with the secret in {secret}:")
        show(f"      uncomment its table at the end of {_short(self._configuration)}, then run xmpp-gateway reload;")
        show("      what it writes to echo@outside.test comes back\n")

    async def _end(self) -> None:
        self._narrator.show()
        await self._gateway.stopService()
        await self._outside.stop()
        self._narrator.tell("ended")


def _short(path: Path) -> str:
    """Return the path as one would type it here."""
    path = path.resolve()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
