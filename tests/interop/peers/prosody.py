"""Prosody, as Debian ships it.

Its DNS is libunbound (lua-unbound), which knows by itself that `test.` does not exist (RFC 6761) and refuses
nameservers on loopback; two options undo that. Direct TLS ports find certificates only by file name, in one folder,
so all certificates lie there.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from socket import create_connection
from typing import Any

from tests.interop.peers.process import STOP_SECONDS, Peer
from tests.interop.peers.site import CLIENT, CLIENT_TLS, COMPONENT, SERVER, SERVER_TLS, laid_over

MODULES = ("disco", "ping", "posix", "private", "roster", "saslauth", "time", "tls", "uptime", "vcard", "version")


class Prosody(Peer):
    """Prosody 0.12 or newer."""

    name = "Prosody"
    program = "/usr/bin/prosody"
    needs = {"prosody": program, "lua-unbound": "/usr/lib/*/lua/5.*/lunbound.so"}
    proven_by = {
        "external": r"Accepting SASL EXTERNAL identity from {domain}\n",
        "dialback": r"Sending\[s2sin\w*\]: <db:result (?=[^>]*to='{domain}')[^>]*type='valid'",
    }

    def command(self) -> list[str]:
        return [self.program, "-F", "--config", str(self.configuration)]

    def register(self, jid: str, password: str) -> None:
        """Make an account, also before the start.

        `prosodyctl` would take as long as Prosody takes to start. At the first login it puts a hash for the password.
        """
        user, _, domain = jid.partition("@")
        accounts = self.folder / "data" / _file_name(domain) / "accounts"
        accounts.mkdir(parents=True, exist_ok=True)
        (accounts / f"{_file_name(user)}.dat").write_text(f"return {_lua({'password': password})};\n")

    def stop(self, timeout: float = STOP_SECONDS) -> int:
        """As `Peer.stop`; SIGTERM in the middle of taking a connection would make its shutdown fail."""
        if self._process is not None:
            self.resume()
            with suppress(OSError), create_connection((self.address, self.ports()[0]), timeout=1) as last:
                last.sendall(b"<>")  # when this is answered, all connections before it have been taken
                last.recv(1)
        return super().stop(timeout)

    @property
    def configuration(self) -> Path:
        """Its configuration file."""
        return self.folder / "prosody.cfg.lua"

    def write_configuration(self) -> None:
        certificates = self.folder / "certificates"
        certificates.mkdir(exist_ok=True)
        for domain, bundle in self.site.certificates.items():
            shutil.copy(bundle, certificates / f"{domain}.crt")
            shutil.copy(bundle, certificates / f"{domain}.key")
        (self.folder / "data").mkdir(exist_ok=True)
        hosts = [f'VirtualHost "{domain}"\n' for domain in self.site.domains]
        components = [
            f'Component "{domain}"\n' + _assignments({"component_secret": secret})
            for domain, secret in self.site.components.items()
        ]
        settings = _assignments(laid_over(self._settings(), self.site.options))
        self.configuration.write_text("\n".join([settings, *hosts, *components]))

    def _settings(self) -> Mapping[str, Any]:
        site = self.site
        direct = site.direct_tls
        return {
            "run_as_root": True,
            "daemonize": False,
            "data_path": str(self.folder / "data"),
            "certificates": str(self.folder / "certificates"),
            "pidfile": str(self.folder / "prosody.pid"),
            "log": {"debug" if site.verbose else "warn": "*console"},
            "interfaces": [site.address],
            "s2s_ports": [SERVER],
            "c2s_ports": [CLIENT],
            "s2s_direct_tls_ports": [SERVER_TLS] if direct else [],
            "c2s_direct_tls_ports": [CLIENT_TLS] if direct else [],
            "component_ports": [COMPONENT] if site.components else [],
            "component_interfaces": [site.address],
            "modules_enabled": [*MODULES, *self._optional_modules()],
            "modules_disabled": ["s2s_bidi"] if not site.bidi else [],
            "ssl": {"cafile": str(site.authorities)},
            "s2s_allow_encryption": site.starttls,
            "s2s_require_encryption": site.require_tls or site.require_certificates,
            "s2s_secure_auth": site.require_certificates,
            "c2s_require_encryption": True,
            "unbound": {
                "resolvconf": False,
                "hoststxt": False,
                "forward": f"{site.names.address}@{site.names.port}",
                "options": {"local-zone:": "test. transparent", "do-not-query-localhost:": "no"},
            },
        }

    def _optional_modules(self) -> list[str]:
        wanted = {
            "dialback": self.site.dialback,
            "s2s_bidi": self.site.bidi,
            "smacks": self.site.stream_management,
        }
        return [module for module, enabled in wanted.items() if enabled]


def _file_name(name: str) -> str:
    """Return the name of the file, or folder, for what Prosody knows by this name."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"%{ord(found[0]):02x}", name)


def _assignments(options: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {_lua(value)}\n" for name, value in options.items())


def _lua(value: object) -> str:
    """A Lua literal, for what configurations hold."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"[{_lua(key)}] = {_lua(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "{ " + ", ".join(map(_lua, value)) + " }"
    if isinstance(value, int):
        return str(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
