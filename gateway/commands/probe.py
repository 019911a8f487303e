"""`xmpp-gateway probe DOMAIN`: try to reach a domain without the service, and show each step as it happens.

With a configuration it does what the service would do: it presents our certificate, makes dialback keys with our
secret, and follows the rules for that domain. Without one it looks at DNS, connection, TLS, certificate and stream
features as a stranger would, and proves nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from twisted.internet.defer import Deferred

from gateway.commands.configuration import add_config, config_of, has_config, read_config
from gateway.commands.exit_statuses import DONE, NOT_DONE, SOMETHING_IS_WRONG
from gateway.commands.service_user import become_service_user
from gateway.commands.telling import attempt, step
from gateway.config.settings import GatewaySettings, HandlerDomain, Settings, StorageSettings
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.outbound import OutboundSession
from gateway.notices.attempts.records import Attempt, AttemptUnderWay
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice
from gateway.operations.control.operator import attempt_record
from gateway.operations.log import harmless
from gateway.service import Gateway, build
from gateway.timing.reactor import IReactor, installed_reactor
from gateway.xmpp.addresses import Domain, DomainPair, prepare_domain
from gateway.xmpp.errors import MalformedAddress

STRANGER = Domain("probe.invalid")
GOODBYE_SECONDS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("--from", dest="sender", metavar="OURS", help="our domain to speak for; default: the first one")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end instead of the steps")
    parser.add_argument("domain", metavar="DOMAIN", help="the domain, as in addresses: example.net")


def run(arguments: argparse.Namespace) -> int:
    """Make one attempt and show each step."""
    reactor = installed_reactor()
    try:
        target = prepare_domain(arguments.domain)
        sender = prepare_domain(arguments.sender) if arguments.sender else None
    except MalformedAddress as error:
        print(f"xmpp-gateway: {error.problem}", file=sys.stderr)
        return NOT_DONE
    if has_config(arguments):
        become_service_user(config_of(arguments))
    settings = read_config(arguments) if has_config(arguments) else None
    if settings is not None and (problem := _problem(settings, sender, target)):
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return NOT_DONE
    with _gateway(settings, reactor) as gateway:
        pair = DomainPair(sender or next(iter(gateway.shared.settings.domains)), target)
        probe = Probe(gateway, pair, only_look=settings is None, quiet=arguments.json)
        probe.run(reactor)
    return probe.tell()


class Probe:
    """One attempt."""

    def __init__(self, gateway: Gateway, pair: DomainPair, *, only_look: bool, quiet: bool) -> None:
        self._gateway = gateway
        self._pair = pair
        self._only_look = only_look
        self._quiet = quiet
        self._attempts: list[Attempt] = []
        self._doing = ""
        gateway.shared.board.subscribe(self._notice)

    def run(self, reactor: IReactor) -> None:
        """Run until the attempt has succeeded or failed."""
        reactor.callWhenRunning(lambda: Deferred.fromCoroutine(self._try(reactor)).addBoth(lambda _: reactor.stop()))
        reactor.run()

    def tell(self) -> int:
        """Print the outcome and return the exit status."""
        records = [attempt_record(each) for each in self._attempts]
        if self._quiet:
            print(json.dumps(records))
        else:
            for record in records[-1:]:
                print("\n".join(["", *attempt({**record, "steps": []})]))
        return DONE if self._is_well() else SOMETHING_IS_WRONG

    def _is_well(self) -> bool:
        if not self._attempts or self._attempts[-1].verdict is not Verdict.ESTABLISHED:
            return False
        return not self._only_look or all(each.ok for each in self._attempts[-1].steps)

    async def _try(self, reactor: IReactor) -> None:
        seconds = self._gateway.peer(self._pair.target).connect_seconds
        opening = self._gateway.federation.connector.open(self._pair, _gone, only_questions=self._only_look)
        deadline = reactor.callLater(seconds, opening.cancel)
        try:
            session = await opening
        except DeliveryFailed:
            return
        finally:
            if deadline.active():
                deadline.cancel()
        session.connection.close()
        await session.connection.when_lost().addTimeout(GOODBYE_SECONDS, reactor, lambda *_: None)

    def _notice(self, notice: Notice) -> None:
        if isinstance(notice, Attempt):
            self._attempts.append(notice)
        elif isinstance(notice, AttemptUnderWay) and not self._quiet:
            self._show(notice.attempt)

    def _show(self, under_way: Attempt) -> None:
        if under_way.doing:
            print(f"  ...   {harmless(under_way.doing)}", flush=True)
        elif under_way.steps:
            record = attempt_record(under_way)["steps"][-1]
            print("\n".join(step(record)), flush=True)


def _gone(session: OutboundSession, *reason: object) -> None:
    """Accept that the stream has ended."""


def _problem(settings: Settings, sender: Domain | None, target: Domain) -> str:
    """Return why there is nothing to try; empty if there is something."""
    if not settings.domains:
        return f"{settings.file} has none of our domains to speak for"
    if sender is not None and sender not in settings.domains:
        return f"{sender} is not one of our domains: {', '.join(settings.domains)}"
    return f"{target} is one of our domains: use xmpp-gateway explain {target}" if target in settings.domains else ""


@contextmanager
def _gateway(settings: Settings | None, reactor: IReactor) -> Iterator[Gateway]:
    """Yield a gateway that is assembled but not started, with the service's secrets if they can be read."""
    with tempfile.TemporaryDirectory(prefix="xmpp-gateway-probe-") as folder:
        elsewhere = GatewaySettings(state=Path(folder))
        if settings is None:
            settings = _stranger(elsewhere)
        elif not os.access(settings.gateway.state / "dialback.secret", os.R_OK):
            print("this user cannot read the dialback secret, so dialback will fail", file=sys.stderr)
            settings = replace(settings, gateway=elsewhere)
        yield build(settings, reactor)


def _stranger(state: GatewaySettings) -> Settings:
    from gateway.handlers.echo import Echo

    nobody = HandlerDomain(domain=STRANGER, serve="gateway.handlers.echo.Echo", factory=Echo)
    in_memory = StorageSettings(url="memory:")
    return Settings(file=Path("probe"), gateway=state, domains={STRANGER: nobody}, storage=in_memory)
