"""docs/configuration.md, generated from the settings themselves: `python -m gateway.config.reference`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from gateway.config.settings import (
    ComponentDomain,
    ConnectEndpoint,
    ContactAddress,
    DNSSettings,
    DomainSettings,
    DoorEndpoint,
    Doors,
    FilterSettings,
    GatewaySettings,
    HandlerDomain,
    KeyPin,
    Limits,
    ListSettings,
    LogSettings,
    NameserverAddress,
    NetworkAddress,
    Option,
    OutboxSettings,
    PeerSettings,
    RelayDomain,
    Secret,
    StorageSettings,
    TLSSettings,
    WhenSettings,
    Words,
    options_of,
)
from gateway.net.dns.system_names import Validating

INTRODUCTION = """\
# The configuration file

The file is TOML. A key or table that is not listed here is a mistake; `xmpp-gateway check --config FILE` reports all
mistakes at once. Relative paths are relative to the folder of the file. Domains may be written in any spelling that
XMPP allows, in quotes: `[domains."example.com"]`. The files in `etc/` show every key in use.
"""

DOMAINS = """\
Every domain has these keys. `serve` decides which further keys it has.
"""

SECRETS = """\
Any key for a secret may be replaced by the same key with `_file` appended, which names a file that holds the secret.
"""

PEERS = """\
`[peers.any]` is for every other domain, `[peers."*.example.com"]` for the subdomains of one, `[peers."example.com"]`
for that domain alone. An exact name beats a suffix, a longer suffix beats a shorter one, and both beat `any`. An entry
inherits the keys that it does not set. All entries have the same keys.
"""

FILTERS = """\
Rules are asked in the order of the file. docs/filters.md has recipes, and what no rule can do.
"""

TYPES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Secret: "text",
    ContactAddress: "URI",
    ConnectEndpoint: "client endpoint",
    NameserverAddress: "IP address, with a port if it is not 53",
    NetworkAddress: "network of IP addresses",
    DoorEndpoint: "server endpoint",
    KeyPin: "digest of a key",
    Words: "text, or list of texts",
    Validating: '`"auto"`, true or false',
}


def reference() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            INTRODUCTION,
            *_section("[gateway]", GatewaySettings),
            *_section("[listen]", Doors),
            *_section("[tls]", TLSSettings),
            *_section('[domains."..."]', DomainSettings, DOMAINS),
            *_section('serve = "component"', ComponentDomain, SECRETS, beyond=DomainSettings, level=3),
            *_section("serve = the name of a service", HandlerDomain, beyond=DomainSettings, level=3),
            *_heading('serve = "relay"', 3, _sentence(RelayDomain)),
            *_section("[peers]", PeerSettings, PEERS),
            *_section("[dns]", DNSSettings),
            *_section("[limits]", Limits),
            *_section("[storage]", StorageSettings),
            *_section("[outbox]", OutboxSettings),
            *_section("[[filter]]", FilterSettings, FILTERS),
            *_section("when", WhenSettings, level=3),
            *_section("[lists.NAME]", ListSettings),
            *_section("[log]", LogSettings),
        ]
    )


def _section(title: str, kind: type, text: str = "", *, beyond: type | None = None, level: int = 2) -> Iterator[str]:
    """Yield a heading, the description of the class, and a table of its keys."""
    yield from _heading(title, level, _sentence(kind))
    if text:
        yield text
    known = {field.name for field, _ in options_of(beyond)} if beyond else set()
    yield "| key | value | default | |"
    yield "|---|---|---|---|"
    hints = get_type_hints(kind)
    for field, said in options_of(kind):
        if field.name not in known:
            value, default = _value(hints[field.name], said), _default(field)
            yield f"| `{said.key or field.name}` | {value} | {default} | {said.description} |"
    yield ""


def _heading(title: str, level: int, sentence: str) -> Iterator[str]:
    yield f"{'#' * level} `{title}`\n"
    yield f"{sentence}\n"


def _sentence(kind: type) -> str:
    """Return the docstring of a settings class, without the name of its table at the beginning."""
    text = (kind.__doc__ or "").strip().partition(": ")[2]
    return text[:1].upper() + text[1:]


def _value(hint: Any, said: Option) -> str:
    if get_origin(hint) in (Union, UnionType):
        hint = get_args(hint)[0]
    if said.one_of:
        word = ", ".join(f'`"{choice}"`' for choice in said.one_of)
    else:
        word = TYPES.get(get_args(hint)[0] if get_origin(hint) is tuple else hint) or _path_or_table(hint)
    bound = f", at least {said.least}" if said.at_least else ""
    unit = f" of {said.unit}" if said.unit else ""
    return f"{'list: ' if get_origin(hint) is tuple else ''}{word}{unit}{bound}"


def _path_or_table(hint: Any) -> str:
    return "path" if getattr(hint, "__name__", "") == "Path" else "table"


def _default(field: Field[Any]) -> str:
    """Return the default as it would be written in the file."""
    if field.default_factory is not MISSING:
        return "`{}`"
    if field.default is MISSING:
        return "needed"
    match field.default:
        case None:
            return ""
        case bool(value):
            return f"`{str(value).lower()}`"
        case tuple(values):
            return "`[" + ", ".join(f'"{value}"' for value in values) + "]`"
        case str() | Path() as value:
            return f'`"{value}"`'
    return f"`{field.default}`"


if __name__ == "__main__":
    print(reference(), end="")
