"""The configuration file: from TOML text to frozen `gateway.config.settings`, or a report of every mistake.

settings = load(Path("etc/gateway.toml"))     # raises Mistakes

reading.py    the text, its lines, and the mistakes found so far
tables.py     one table -> one settings class, driven by the descriptions in `gateway.config.settings`
values.py     one value -> the value of a field
domains.py    `[domains]`: how each domain is served, with its certificates and secrets
peers.py      `[peers]`
loading.py    the whole file, and the checks that need all of it
advice.py     warnings about what is valid and still worth knowing
reference.py  docs/configuration.md, from the same descriptions
"""

from __future__ import annotations

from gateway.config.advice import warnings
from gateway.config.loading import load
from gateway.config.reading import Mistake, Mistakes

__all__ = ["Mistake", "Mistakes", "load", "warnings"]
