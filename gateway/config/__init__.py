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

from gateway.config.advice import warnings
from gateway.config.loading import load
from gateway.config.reading import Mistake, Mistakes

__all__ = ["Mistake", "Mistakes", "load", "warnings"]
