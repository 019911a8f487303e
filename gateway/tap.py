"""The twistd plugin: `twistd xmpp-gateway --config FILE`.

The configuration is read together with the command line. A mistake in it ends the program before anything is bound,
forked or logged, with the report of `xmpp-gateway check` and exit status 1. `gateway.service.build` assembles the
service itself.

twistd asks the application for a log observer before it makes its own. Ours writes to the file of `--logfile`, in the
format of `[log]`; `--logger` and `--syslog` are left to twistd.
"""

from __future__ import annotations

import gc
import signal
import sys
from datetime import UTC, datetime
from typing import Any, NoReturn

from twisted.application.service import MultiService
from twisted.logger import ILogObserver, globalLogPublisher
from twisted.python import usage

from gateway.config import Mistakes, load, warnings
from gateway.config.place import USUAL, VARIABLE, NoConfiguration, find_config
from gateway.config.settings import Settings
from gateway.config.state import state_problems
from gateway.net.listen.descriptors import ShortageWatch, allow, shortfall
from gateway.notices.notices import Level, Remark
from gateway.operations.control.door import CommandRefused
from gateway.operations.log import Shares, log_observer, notice_log, open_log
from gateway.service import Gateway, build
from gateway.timing.reactor import IReactor, installed_reactor
from gateway.xmpp.errors import ConfigError

OBJECTS_BETWEEN_COLLECTIONS = 10_000


class Options(usage.Options):
    """The command line after `twistd xmpp-gateway`."""

    synopsis = "[--config FILE]"
    longdesc = (
        "Serves the domains of FILE until SIGTERM or SIGINT; SIGHUP makes it reload the file."
        " `xmpp-gateway check --config FILE` shows what it would serve, or every mistake in the file."
    )
    optParameters = [["config", "c", None, f"the configuration file; default: ${VARIABLE}, or {USUAL}"]]
    settings: Settings

    def parseArgs(self, *more: str) -> None:
        """Refuse any argument that is not an option."""
        if more:
            raise usage.UsageError(f"unexpected argument {more[0]!r}; name the configuration file with --config FILE")

    def postOptions(self) -> None:
        """Read the configuration; end the program if it has mistakes."""
        try:
            self.settings = load(find_config(self["config"]))
        except (NoConfiguration, Mistakes) as problem:
            _refuse(str(problem))
        if self.settings.cluster is not None:
            run_on_asyncio()


def run_on_asyncio() -> None:
    """Have Twisted run on asyncio's event loop, which the library for NATS needs.

    twistd has installed no reactor when it reads our options, unless its `--reactor` names one.
    """
    if "twisted.internet.reactor" in sys.modules:
        if type(sys.modules["twisted.internet.reactor"]).__name__ != "AsyncioSelectorReactor":
            _refuse("twistd: [cluster] needs asyncio's event loop: leave out --reactor, or use --reactor=asyncio")
        return
    import asyncio

    from twisted.internet import asyncioreactor

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    asyncioreactor.install(loop)


class Logged(MultiService):
    """The top of the service tree; it installs its log in the application that it joins."""

    def __init__(self, observer: ILogObserver | None) -> None:
        super().__init__()
        self._observer = observer

    def setServiceParent(self, parent: Any) -> None:
        """Join an application, before twistd asks it for a log observer."""
        if self._observer is not None:
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)


def makeService(options: Options) -> Logged:
    """Return the service for a command line whose configuration has been read."""
    reactor = installed_reactor()
    settings = options.settings
    allow(settings.limits.streams, settings.http_ports)
    # An outbox that cannot be written is a state of the running service, which tells of it and goes on.
    if unusable := [each for each in state_problems(settings) if each.key != "outbox.url"]:
        _refuse(str(Mistakes(settings.file, unusable)))
    try:
        gateway = build(settings, reactor)
    except ConfigError as mistake:
        _refuse(f"{settings.file}: {mistake}")
    per_minute = settings.limits.log_lines_per_minute
    shares = Shares(per_minute, reactor.seconds) if per_minute else None
    gateway.shared.board.subscribe(notice_log(gateway.shared.levels, shares=shares))
    globalLogPublisher.addObserver(ShortageWatch(gateway.shared.board.publish, reactor.seconds))
    for warning in (*warnings(settings, datetime.now(UTC)), *shortfall(settings.limits.streams, settings.http_ports)):
        gateway.shared.board.publish(Remark(text=warning, weight=Level.WARN))
    top = Logged(_observer(options.parent, gateway, reactor, shares))
    gateway.setServiceParent(top)
    reactor.callWhenRunning(spare_the_collector)
    signal.signal(signal.SIGHUP, lambda number, frame: reactor.callFromThread(reload_by_signal, gateway))
    return top


def spare_the_collector() -> None:
    """Exempt everything that lives as long as the process from garbage collection.

    Collections, which the twistd plugin has turned off, begin now. They are also made rarer, because nearly everything
    that a stream leaves behind is freed without them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    gc.enable()


def reload_by_signal(gateway: Gateway) -> None:
    """Reload on SIGHUP, as `xmpp-gateway reload` does; the outcome is logged."""
    gateway.reload().addErrback(lambda failure: failure.trap(CommandRefused) and None)


def _observer(twistd: Any, gateway: Gateway, reactor: IReactor, shares: Shares | None) -> ILogObserver | None:
    """Return the log observer that the command line asks for; None when twistd is to make its own."""
    if twistd.get("syslog") or twistd["logger"]:
        return None
    daemon = not twistd.get("nodaemon")
    if daemon and twistd["logfile"] == "-":
        _refuse("twistd: a daemon cannot log to standard output: name a file with --logfile, or use --nodaemon")
    try:
        out = open_log(twistd["logfile"], daemon=daemon, reactor=reactor)
    except OSError as error:
        _refuse(f"twistd: cannot write the log to {error.filename}: {error.strerror}")
    return log_observer(out, form=gateway.shared.settings.log.format, level=gateway.shared.levels, shares=shares)


def _refuse(report: str) -> NoReturn:
    print(report, file=sys.stderr)
    raise SystemExit(1)
