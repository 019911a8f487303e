"""The configuration file: from TOML text to frozen `gateway.config.settings`, or a report of every mistake.

settings = load(Path("etc/gateway.toml"))     # raises Mistakes

reading.py    the text, its lines, and the mistakes found so far
tables.py     one table -> one settings class, driven by the descriptions in `gateway.config.settings`
values.py     one value -> the value of a field
settings.py   the settings classes, and the description of each key
domains.py    `[domains]`: how each domain is served, with its certificates and secrets
services.py   from `serve` and `options` of a domain to the service in Python
peers.py      `[peers]`
filters.py    `[[filter]]` and `[lists]`
cluster.py    `[cluster]`
loading.py    the whole file, and the checks that need all of it
state.py      whether everything in the state folder can be read and written
place.py      where the configuration file is if the command line does not name it
advice.py     warnings about what is valid and still worth knowing
reference.py  docs/configuration.md, from the same descriptions
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.config.reading import Mistake, Mistakes

if TYPE_CHECKING:
    from gateway.config.settings import Settings

__all__ = ["Mistake", "Mistakes", "load", "warnings"]

# The two functions import what they need when they are called: TLS, certificates, the outbox and Twisted's endpoints
# take longer than everything else that a command does before it prints its help or asks the running service.


def load(file: Path | str) -> Settings:
    """As `loading.load`."""
    from gateway.config import loading

    return loading.load(file)


def warnings(settings: Settings, moment: datetime) -> tuple[str, ...]:
    """As `advice.warnings`."""
    from gateway.config import advice

    return advice.warnings(settings, moment)
