"""docs/configuration.md, generated from the settings themselves: `python -m gateway.config.reference`.

The manual page of the file, xmpp-gateway.toml(5), is made from the same sections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, Field, dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from gateway.config.settings import (
    ClusterSettings,
    ComponentDomain,
    ConnectEndpoint,
    ContactAddress,
    DelegationSettings,
    DNSSettings,
    DomainSettings,
    FilterSettings,
    GatewaySettings,
    HandlerDomain,
    KeyPin,
    Limits,
    ListenEndpoint,
    ListenSettings,
    ListSettings,
    LogSettings,
    NameserverAddress,
    NetworkAddress,
    Option,
    OutboxSettings,
    PeerSettings,
    PrivilegeSettings,
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
    ListenEndpoint: "server endpoint",
    KeyPin: "digest of a key",
    Words: "text, or list of texts",
    Validating: '`"auto"`, true or false',
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key: its name, its values and default in words, and what it does."""

    name: str
    value: str
    default: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A table of the file, or a part of one at a deeper level, with its keys. `text` is more that is said about it."""

    title: str
    level: int = 2
    sentence: str
    text: str = ""
    keys: Sequence[Key] = ()


def sections() -> Iterator[Section]:
    """Yield the sections in their order."""
    yield _section("[gateway]", GatewaySettings)
    yield _section("[listen]", ListenSettings)
    yield _section("[tls]", TLSSettings)
    yield _section('[domains."..."]', DomainSettings, DOMAINS)
    yield _section('serve = "component"', ComponentDomain, SECRETS, beyond=DomainSettings, level=3)
    yield _section('privileges."..."', PrivilegeSettings, level=4)
    yield _section('delegations."..."', DelegationSettings, level=4)
    yield _section("serve = the name of a service", HandlerDomain, beyond=DomainSettings, level=3)
    yield Section(title='serve = "relay"', level=3, sentence=_sentence(RelayDomain))
    yield _section("[peers]", PeerSettings, PEERS)
    yield _section("[dns]", DNSSettings)
    yield _section("[limits]", Limits)
    yield _section("[storage]", StorageSettings)
    yield _section("[outbox]", OutboxSettings)
    yield _section("[[filter]]", FilterSettings, FILTERS)
    yield _section("when", WhenSettings, level=3)
    yield _section("[lists.NAME]", ListSettings)
    yield _section("[cluster]", ClusterSettings)
    yield _section("[log]", LogSettings)


def reference() -> str:
    """Return the whole page."""
    return "\n".join([INTRODUCTION, *(line for section in sections() for line in _page(section))])


def _page(section: Section) -> Iterator[str]:
    """Yield a heading, what is said about the section, and a table of its keys."""
    yield f"{'#' * section.level} `{section.title}`\n"
    yield f"{section.sentence}\n"
    if section.text:
        yield section.text
    if section.keys:
        yield "| key | value | default | |"
        yield "|---|---|---|---|"
        for key in section.keys:
            yield f"| `{key.name}` | {key.value} | {key.default} | {key.description} |"
        yield ""


def _section(title: str, kind: type, text: str = "", *, beyond: type | None = None, level: int = 2) -> Section:
    """Return the section of a settings class, without the keys that `beyond` has already."""
    known = {field.name for field, _ in options_of(beyond)} if beyond else set()
    hints = get_type_hints(kind)
    keys = [
        Key(
            name=said.key or field.name,
            value=_value(hints[field.name], said),
            default=_default(field),
            description=said.description,
        )
        for field, said in options_of(kind)
        if field.name not in known
    ]
    return Section(title=title, level=level, sentence=_sentence(kind), text=text, keys=keys)


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
