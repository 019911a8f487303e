"""The whole file: a reader for each section, then the checks that need all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from gateway.config.cluster import check_cluster, read_cluster
from gateway.config.domains import read_domains
from gateway.config.filters import read_filters, read_lists
from gateway.config.peers import read_peers
from gateway.config.reading import Reading
from gateway.config.settings import (
    DNSSettings,
    GatewaySettings,
    Limits,
    ListenSettings,
    LogSettings,
    OutboxSettings,
    Settings,
    StorageSettings,
    TLSSettings,
)
from gateway.config.tables import read_section
from gateway.net.certificates.own_certificates import Keyring
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.outbox.database import KIND as OUTBOX
from gateway.outbox.sealing import load_key
from gateway.storage.files import ACCOUNTS, FileKind, UnusableFile, glance
from gateway.storage.urls import is_postgresql, shown
from gateway.xmpp.errors import ConfigError

SECTIONS = (
    "gateway",
    "listen",
    "tls",
    "domains",
    "peers",
    "dns",
    "limits",
    "storage",
    "outbox",
    "filter",
    "lists",
    "cluster",
    "log",
)


def load(file: Path | str) -> Settings:
    """Read a configuration file and check everything that it names; raise Mistakes with all mistakes."""
    reading = Reading(Path(file))
    tables = reading.parse()
    reading.check()
    for name in tables.keys() - set(SECTIONS):
        reading.unknown_section(name, tables[name], SECTIONS)
    settings = _read(reading, tables)
    reading.check()
    return settings


def _read(reading: Reading, tables: dict[str, Any]) -> Settings:
    peers = read_peers(reading, tables.get("peers", {}))
    lists = read_lists(reading, tables.get("lists", {}))
    settings = Settings(
        file=reading.file.absolute(),
        gateway=read_section(reading, tables, "gateway", GatewaySettings),
        listen=read_section(reading, tables, "listen", ListenSettings),
        tls=read_section(reading, tables, "tls", TLSSettings),
        domains=MappingProxyType(read_domains(reading, tables.get("domains", {}), peers)),
        peers=peers,
        dns=read_section(reading, tables, "dns", DNSSettings),
        limits=read_section(reading, tables, "limits", Limits),
        storage=read_section(reading, tables, "storage", StorageSettings),
        outbox=read_section(reading, tables, "outbox", OutboxSettings),
        filters=read_filters(reading, tables.get("filter", []), lists),
        lists=MappingProxyType(lists),
        cluster=read_cluster(reading, tables),
        log=read_section(reading, tables, "log", LogSettings),
    )
    settings = replace(settings, faults=tuple(reading.faults))
    _check_state(reading, settings.gateway)
    _check_doors(reading, settings.listen)
    _check_tls(reading, settings.tls)
    _check_key(reading, settings.outbox)
    check_cluster(reading, settings)
    state = settings.gateway.state
    storage = _placed(reading, "storage", settings.storage, state, ACCOUNTS)
    outbox = _placed(reading, "outbox", settings.outbox, state, OUTBOX)
    if storage.file is not None and storage.file == outbox.file:
        reading.wrong(("outbox", "url"), f"{outbox.file} is already used by storage.url: choose another file")
    return replace(settings, storage=storage, outbox=outbox)


def _check_state(reading: Reading, gateway: GatewaySettings) -> None:
    if gateway.state and gateway.state.exists() and not gateway.state.is_dir():
        reading.wrong(("gateway", "state"), f"{gateway.state} is not a folder")


def _check_doors(reading: Reading, doors: ListenSettings) -> None:
    """Check that no two listeners share an endpoint."""
    seen: dict[str, str] = {}
    for door in vars(doors):
        for endpoint in getattr(doors, door) or ():
            if seen.setdefault(endpoint, door) != door:
                reading.wrong(("listen", door), f"{endpoint!r} is already used by listen.{seen[endpoint]}")


def _check_tls(reading: Reading, tls: TLSSettings) -> None:
    """Check that OpenSSL accepts the ciphers and that there are authorities."""
    if tls.minimum:
        rules = TLSRules(minimum=tls.minimum, ciphers=tls.ciphers)
        _try(reading, {}, lambda: TLSContexts(Keyring({}), rules))
    _try(reading, {"revocations": "crls"}, lambda: TrustStore.load(tls.authorities, tls.crls))


def _try(reading: Reading, renamed: Mapping[str, str], attempt: Any) -> None:
    try:
        attempt()
    except ConfigError as error:
        reading.wrong(("tls", renamed.get(error.key, error.key)), error.problem)


def _check_key(reading: Reading, outbox: OutboxSettings) -> None:
    """Check that the key can be read, unless the user who runs the check may not read it."""
    try:
        if outbox.key_file is not None:
            load_key(outbox.key_file)
    except ConfigError as error:
        if not isinstance(error.__cause__, PermissionError):
            reading.wrong(("outbox", "key_file"), error.problem)


Placed = TypeVar("Placed", StorageSettings, OutboxSettings)


def _placed(reading: Reading, section: str, settings: Placed, state: Path | None, of_kind: FileKind) -> Placed:
    """Return the settings with their file, which is in the state folder unless its path is absolute."""
    if is_postgresql(settings.url):
        _check_server(reading, section, settings.url)
        return settings
    kind, _, name = (settings.url or "memory:").partition(":")
    if kind == "sqlite" and name:
        file = (state or reading.folder) / name
        try:
            glance(file, of_kind)
        except UnusableFile as error:
            reading.wrong((section, "url"), str(error))
        return replace(settings, file=file)
    if (kind, name) != ("memory", ""):
        known = "'sqlite:FILE', 'postgresql://USER@HOST/DATABASE' and 'memory:'"
        reading.wrong((section, "url"), f"{shown(settings.url)!r} is not one of {known}")
    return settings


def _check_server(reading: Reading, section: str, url: str) -> None:
    """Check that the URL can be used, and that what is needed for it is installed; the server is not asked."""
    # Imported here: only a server needs psycopg.
    from gateway.storage.postgresql.driver import BadURL, database_of

    try:
        database_of(url)
    except BadURL as error:
        reading.wrong((section, "url"), str(error))
