"""The gateway itself, run as an operator runs it: `twistd xmpp-gateway --config FILE`.

Every domain of the site answers with the echo service, and every component of the site may attach. Sections of the
configuration that are given beside the site are laid over that, table by table:

    Gateway(site, folder, domains={"inside.test": {"serve": "relay", "connect": "tcp:127.0.0.4:5269"}})
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from tests.interop.peers.process import Peer
from tests.interop.peers.site import CLIENT, CLIENT_TLS, COMPONENT, HTTP, SERVER, SERVER_TLS, Site

PROGRAMS = Path(sys.executable).parent
ECHO = "gateway.handlers.echo.Echo"


class Gateway(Peer):
    """The program under test, installed beside the interpreter that runs the tests."""

    name = "gateway"
    program = str(PROGRAMS / "twistd")
    needs = {"xmpp-gateway": str(PROGRAMS / "xmpp-gateway")}
    proven_by = {}

    def __init__(self, site: Site, folder: Path, **sections: Mapping[str, Any]) -> None:
        super().__init__(site, folder)
        self._sections = sections

    def command(self) -> list[str]:
        return [self.program, "--nodaemon", "--pidfile=", "xmpp-gateway", "--config", str(self.configuration)]

    def environment(self) -> Mapping[str, str]:
        return {"PYTHONUNBUFFERED": "1"}

    def register(self, jid: str, password: str) -> None:
        """Make an account, also before the start; its domain must be one with accounts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_configuration()
        self.operate("account", "add", jid, typed=f"{password}\n")

    def operate(self, command: str, *arguments: str, typed: str | None = None) -> str:
        """Use `xmpp-gateway`, as an operator does; returns what it printed."""
        return self.run(PROGRAMS / "xmpp-gateway", command, "--config", self.configuration, *arguments, typed=typed)

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self.folder / "gateway.toml"

    def write_configuration(self) -> None:
        self.configuration.write_text(tomli_w.dumps(_laid_over(self._settings(), self._sections)))

    def _settings(self) -> Mapping[str, Any]:
        site = self.site
        return {
            "gateway": {"state": str(self.folder / "state")},
            "listen": self._doors(),
            "tls": {"authorities": str(site.authorities)},
            "domains": self._domains(),
            "peers": {"any": self._any_peer()},
            "dns": {"nameservers": [f"{site.names.address}:{site.names.port}"]},
            "log": {"level": "debug" if site.verbose else "warn"},
        }

    def _doors(self) -> Mapping[str, Any]:
        ports = {"server": SERVER, "client": CLIENT, "http": HTTP}
        if self.site.direct_tls:
            ports |= {"server_tls": SERVER_TLS, "client_tls": CLIENT_TLS}
        if self.site.components:
            ports["component"] = COMPONENT
        return {door: [f"tcp:{port}:interface={self.address}"] for door, port in ports.items()}

    def _domains(self) -> Mapping[str, Any]:
        services: dict[str, dict[str, Any]] = {domain: {"serve": ECHO} for domain in self.site.domains}
        for domain, secret in self.site.components.items():
            services[domain] = {"serve": "component", "secret": secret}
        for domain, bundle in self.site.certificates.items():
            services[domain]["certificate"] = str(bundle)
        return services

    def _any_peer(self) -> Mapping[str, Any]:
        site = self.site
        dialback = ["dialback"] if site.dialback and not site.require_certificates else []
        return {
            "require_tls": site.require_tls or site.require_certificates,
            "authenticate": ["external", *dialback],
            "direct_tls": site.direct_tls,
        }


def _laid_over(settings: Mapping[str, Any], sections: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with tables merged and everything else replaced."""
    merged = dict(settings)
    for key, value in sections.items():
        beneath = merged.get(key)
        if isinstance(beneath, Mapping) and isinstance(value, Mapping):
            value = _laid_over(beneath, value)
        merged[key] = value
    return merged
