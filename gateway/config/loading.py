"""The whole file: every section by its reader, and then what only the whole can tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gateway.config.domains import read_domains
from gateway.config.peers import read_peers
from gateway.config.reading import Reading
from gateway.config.settings import (
    DNSSettings,
    Doors,
    GatewaySettings,
    Limits,
    LogSettings,
    Settings,
    StorageSettings,
    TLSSettings,
)
from gateway.config.tables import read_section
from gateway.net.certificates.own_certificates import Keyring
from gateway.net.certificates.trust import TrustStore
from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.storage.files import UnusableFile, glance
from gateway.xmpp.errors import ConfigError

SECTIONS = ("gateway", "listen", "tls", "domains", "peers", "dns", "limits", "storage", "log")


def load(file: Path | str) -> Settings:
    """Read a configuration file and look at all that it names; raise Mistakes with every mistake at once."""
    reading = Reading(Path(file))
    tables = reading.parse()
    reading.check()
    for name in tables.keys() - set(SECTIONS):
        reading.unknown((name,), SECTIONS)
    settings = _read(reading, tables)
    reading.check()
    return settings


def _read(reading: Reading, tables: dict[str, Any]) -> Settings:
    rules = read_peers(reading, tables.get("peers", {}))
    settings = Settings(
        file=reading.file.absolute(),
        gateway=read_section(reading, tables, "gateway", GatewaySettings),
        listen=read_section(reading, tables, "listen", Doors),
        tls=read_section(reading, tables, "tls", TLSSettings),
        domains=MappingProxyType(read_domains(reading, tables.get("domains", {}), rules)),
        peers=rules,
        dns=read_section(reading, tables, "dns", DNSSettings),
        limits=read_section(reading, tables, "limits", Limits),
        storage=read_section(reading, tables, "storage", StorageSettings),
        log=read_section(reading, tables, "log", LogSettings),
    )
    _check_state(reading, settings.gateway)
    _check_doors(reading, settings.listen)
    _check_tls(reading, settings.tls)
    return replace(settings, storage=_placed(reading, settings.storage, settings.gateway.state))


def _check_state(reading: Reading, gateway: GatewaySettings) -> None:
    if gateway.state and gateway.state.exists() and not gateway.state.is_dir():
        reading.wrong(("gateway", "state"), f"{gateway.state} is no folder")


def _check_doors(reading: Reading, doors: Doors) -> None:
    """No two doors in the same place."""
    seen: dict[str, str] = {}
    for door in vars(doors):
        for endpoint in getattr(doors, door) or ():
            if seen.setdefault(endpoint, door) != door:
                reading.wrong(("listen", door), f"{endpoint!r} is the door listen.{seen[endpoint]} already")


def _check_tls(reading: Reading, tls: TLSSettings) -> None:
    """See whether OpenSSL takes the ciphers, and whether there are authorities."""
    if tls.minimum:
        rules = TLSRules(minimum=tls.minimum, ciphers=tls.ciphers)
        _try(reading, {}, lambda: TLSContexts(Keyring({}), rules))
    _try(reading, {"revocations": "crls"}, lambda: TrustStore.load(tls.authorities, tls.crls))


def _try(reading: Reading, renamed: Mapping[str, str], attempt: Any) -> None:
    try:
        attempt()
    except ConfigError as error:
        reading.wrong(("tls", renamed.get(error.key, error.key)), error.problem)


def _placed(reading: Reading, storage: StorageSettings, state: Path | None) -> StorageSettings:
    """The storage with its file, which lies in the state folder unless its path is absolute."""
    kind, _, name = (storage.url or "memory:").partition(":")
    if kind == "sqlite" and name:
        file = (state or reading.folder) / name
        try:
            glance(file)
        except UnusableFile as error:
            reading.wrong(("storage", "url"), str(error))
        return replace(storage, file=file)
    if (kind, name) != ("memory", ""):
        reading.wrong(("storage", "url"), f"{storage.url!r} is neither 'sqlite:FILE' nor 'memory:'")
    return storage
