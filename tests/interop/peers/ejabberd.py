"""ejabberd, as Debian ships it.

`ejabberdctl` insists on running as the user ejabberd, which then has to own every folder. So this starts Erlang with
the arguments of `ejabberdctl foreground` itself, as the user who runs the tests; and without Erlang's distribution, so
that several can run at once. It asks the nameserver for SRV records, but libc for addresses, so libnss-wrapper gives
it a hosts file. Accounts are made over its HTTP interface, because each call of `ejabberdctl` would start one more
Erlang.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from glob import glob
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from tests.interop.peers.process import Peer, PeerError
from tests.interop.peers.site import CLIENT, CLIENT_TLS, COMPONENT, HTTP, SERVER, SERVER_TLS, laid_over

# What Debian's ejabberdctl gives to Erlang, and one scheduler that sleeps when it has nothing to do: several of them
# would be started for each server, and would spin while they wait for work.
VIRTUAL_MACHINE = (
    *("+K", "true", "+P", "250000", "-env", "ERL_CRASH_DUMP_BYTES", "0"),
    *("+S", "1:1", "+SDcpu", "1:1", "+SDio", "1", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"),
)
MODULES = ("mod_disco", "mod_offline", "mod_ping", "mod_private", "mod_roster", "mod_time", "mod_vcard", "mod_version")


class Ejabberd(Peer):
    """ejabberd 23.01 or newer."""

    name = "ejabberd"
    program = "/usr/bin/erl"
    needs = {"ejabberd": "/usr/lib/*/ejabberd-*/ebin", "libnss-wrapper": "/usr/lib/*/libnss_wrapper.so"}
    proven_by = {
        "external": "Accepted inbound s2s EXTERNAL authentication {domain} ->",
        "dialback": "Accepted inbound s2s dialback authentication {domain} ->",
    }

    def command(self) -> list[str]:
        database = ("-mnesia", "dir", f'"{self.folder / "database"}"')
        return [self.program, *VIRTUAL_MACHINE, *database, "-s", "ejabberd", "-noinput"]

    def environment(self) -> Mapping[str, str]:
        return {
            "EJABBERD_CONFIG_PATH": str(self.folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.folder / "ejabberd.log"),
            "ERL_INETRC": str(self.folder / "inetrc"),
            "ERL_LIBS": str(_libraries()),
            "ERL_MAX_PORTS": "32000",
            "ERL_MAX_ETS_TABLES": "1400",
            "LD_PRELOAD": "libnss_wrapper.so",
            "NSS_WRAPPER_HOSTS": str(self.site.names.hosts),
        }

    def ready(self) -> bool:
        """Return whether ejabberd itself says that all is started, which is later than its ports."""
        if not super().ready():  # a look at the ports costs less than a request
            return False
        try:
            return "is running" in self.call("status")
        except (URLError, OSError, PeerError):
            return False

    def register(self, jid: str, password: str) -> None:
        """Make an account, while the server runs."""
        user, _, domain = jid.partition("@")
        self.call("register", user=user, host=domain, password=password)

    def call(self, command: str, **arguments: Any) -> Any:
        """One of ejabberd's administrative commands; returns its answer."""
        url = f"http://{self.address}:{HTTP}/api/{command}"
        request = Request(url, json.dumps(arguments).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def write_configuration(self) -> None:
        (self.folder / "database").mkdir(exist_ok=True)
        (self.folder / "inetrc").write_text(self._inetrc())
        settings = laid_over(self._settings(), self.site.options)
        # What is JSON is YAML too.
        (self.folder / "ejabberd.yml").write_text(json.dumps(settings, indent=2))

    def _inetrc(self) -> str:
        """Erlang's own resolver: only our nameserver, neither the system's settings nor /etc/hosts."""
        address = self.site.names.address.replace(".", ",")
        return (
            '{resolv_conf, ""}.\n{hosts_file, ""}.\n{lookup, ["file", "dns"]}.\n'
            f"{{nameserver, {{{address}}}, {self.site.names.port}}}.\n"
        )

    def _settings(self) -> Mapping[str, Any]:
        site = self.site
        return {
            "hosts": list(site.domains),
            "loglevel": "info" if site.verbose else "warning",
            "certfiles": [str(bundle) for bundle in site.certificates.values()],
            "ca_file": str(site.authorities),
            "s2s_use_starttls": self._starttls(),
            "s2s_cafile": str(site.authorities),
            "c2s_cafile": str(site.authorities),
            "auth_password_format": "scram",
            "listen": self._listeners(),
            "api_permissions": {"tests": {"from": ["mod_http_api"], "who": "all", "what": "*"}},
            "acl": {"local": {"user_regexp": ""}},
            "modules": {module: {} for module in (*MODULES, *self._optional_modules())},
        }

    def _starttls(self) -> str:
        if not self.site.starttls:
            return "false"
        return "required" if self.site.require_tls or self.site.require_certificates else "optional"

    def _optional_modules(self) -> list[str]:
        wanted = {
            "mod_http_api": True,
            # Where TLS is required but no certificate demanded, dialback is what lets the others in.
            "mod_s2s_dialback": self.site.dialback and not self.site.require_certificates,
            "mod_stream_mgmt": self.site.stream_management,
        }
        return [module for module, enabled in wanted.items() if enabled]

    def _listeners(self) -> list[Mapping[str, Any]]:
        site = self.site
        listeners = [
            self._listener(SERVER, "ejabberd_s2s_in"),
            self._listener(CLIENT, "ejabberd_c2s", starttls_required=True, tls_verify=site.client_certificates),
            self._listener(HTTP, "ejabberd_http", request_handlers={"/api": "mod_http_api"}),
        ]
        if self.site.direct_tls:
            listeners.append(self._listener(SERVER_TLS, "ejabberd_s2s_in", tls=True))
            listeners.append(self._listener(CLIENT_TLS, "ejabberd_c2s", tls=True))
        if self.site.components:
            secrets = {domain: {"password": secret} for domain, secret in self.site.components.items()}
            listeners.append(self._listener(COMPONENT, "ejabberd_service", hosts=secrets))
        return listeners

    def _listener(self, port: int, module: str, **options: Any) -> Mapping[str, Any]:
        # The default backlog of 5 drops connections when many arrive at once.
        return {"port": port, "ip": self.address, "module": module, "backlog": 1024, **options}


def _libraries() -> Path:
    """Return where Debian keeps Erlang's libraries: a folder named after the machine's architecture."""
    return Path(glob(Ejabberd.needs["ejabberd"])[0]).parent.parent
