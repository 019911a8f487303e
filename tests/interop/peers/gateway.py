"""The gateway itself, run as an operator runs it: `twistd xmpp-gateway --config FILE`.

Every domain of the site answers with the echo service, and every component of the site may attach. The site's options
are sections of the configuration and say what else there is:

    options={"domains": {"inside.test": {"serve": "relay", "connect": "tcp:127.0.0.4:5269"}}}

The doors that are open are those that this needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import tomli_w

from gateway.operations.control.client import NotRunning, ask
from tests.interop.peers.process import Peer, PeerError
from tests.interop.peers.site import CLIENT, CLIENT_TLS, COMPONENT, INSIDE, SERVER, SERVER_TLS, laid_over
from tests.support.forks import is_measured

PROGRAMS = Path(sys.executable).parent
COMMAND_SECONDS = 10
ECHO = "gateway.handlers.echo.Echo"


class Gateway(Peer):
    """The program under test, installed beside the interpreter that runs the tests."""

    name = "gateway"
    programs = PROGRAMS
    program = str(PROGRAMS / "twistd")
    needs = {"xmpp-gateway": str(PROGRAMS / "xmpp-gateway")}
    proven_by = {
        "external": r"stream from {domain} \([^)]*\) to \S+ established .*proof by external",
        "dialback": r"stream from {domain} \([^)]*\) to \S+ established .*proof by dialback",
        "certificate": r"stream from {domain} \([^)]*\) to \S+ established .*proof by certificate",
    }

    def command(self) -> list[str]:
        return [self.program, "--nodaemon", "--pidfile=", "xmpp-gateway", "--config", str(self.configuration)]

    def environment(self) -> Mapping[str, str]:
        return {"PYTHONUNBUFFERED": "1"}

    def __exit__(self, *exc_info: object) -> None:
        if is_measured():
            with suppress(PeerError):
                self.stop()
        super().__exit__(*exc_info)

    def register(self, jid: str, password: str) -> None:
        """Make an account, also before the start; its domain must be one with accounts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_configuration()
        self.operate("account", "add", jid, typed=f"{password}\n")

    def operate(self, command: str, *arguments: str, typed: str | None = None) -> str:
        """Use `xmpp-gateway`, as an operator does; returns what it printed."""
        return self.run(
            self.programs / "xmpp-gateway", command, "--config", self.configuration, *arguments, typed=typed
        )

    def ask(self, command: str, **request: str) -> Any:
        """Have the service carry out a command; returns its answer.

        It asks on the control socket itself: for a test that looks again and again, starting `xmpp-gateway` costs more
        than the answer.
        """
        answers: list[Any] = []

        def is_answered() -> bool:
            with suppress(NotRunning):  # its ports are open a moment before
                answers.append(ask(self.folder / "state", command, **request))
            return bool(answers)

        self.wait_until(is_answered, COMMAND_SECONDS, "ready for commands")
        return answers[0]

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self.folder / "gateway.toml"

    def write_configuration(self) -> None:
        self.configuration.write_text(tomli_w.dumps(self.settings()))

    def settings(self) -> Mapping[str, Any]:
        """Return what is in the configuration."""
        return laid_over(self._settings(), self.site.options)

    def _settings(self) -> Mapping[str, Any]:
        site = self.site
        return {
            "gateway": {"state": str(self.folder / "state")},
            "listen": {door: [f"tcp:{port}:interface={self.address}"] for door, port in self._doors().items()},
            "tls": {"authorities": str(site.authorities)},
            "domains": self._domains(),
            "peers": {"any": self._any_peer()},
            "dns": {
                "nameservers": [f"{site.names.address}:{site.names.port}"],
                "hosts_file": os.devnull,
                "allow_networks": ["127.0.0.0/8"],  # where all servers of these tests are
            },
            "log": {"level": "debug" if site.verbose else "warn"},
        }

    def ports(self) -> tuple[int, ...]:
        return tuple(self._doors().values())

    def _doors(self) -> Mapping[str, int]:
        served = {domain["serve"] for domain in self._domains().values()}
        doors = {"server": SERVER}
        if self.site.direct_tls:
            doors["server_tls"] = SERVER_TLS
        if "component" in served:
            doors["component"] = COMPONENT
        if "relay" in served:
            doors["inside"] = INSIDE
        if "im" in served:
            doors |= {"client": CLIENT, "client_tls": CLIENT_TLS}
        return doors

    def _domains(self) -> Mapping[str, Any]:
        services: dict[str, dict[str, Any]] = {domain: {"serve": ECHO} for domain in self.site.domains}
        for domain, secret in self.site.components.items():
            services[domain] = {"serve": "component", "secret": secret}
        for domain, bundle in self.site.certificates.items():
            services[domain]["certificate"] = str(bundle)
        domains = laid_over(services, self.site.options.get("domains", {}))
        return {
            name: {"keep": "no", **domain} if domain["serve"] in ("relay", "component") else domain
            for name, domain in domains.items()
        }

    def _any_peer(self) -> Mapping[str, Any]:
        site = self.site
        dialback = ["dialback"] if site.dialback and not site.require_certificates else []
        return {
            "require_tls": site.require_tls or site.require_certificates,
            "authenticate": ["external", *dialback],
            "direct_tls": site.direct_tls,
            "keep": "no",  # what waits comes back at once, unless a test is about the outbox
        }
