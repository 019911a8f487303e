"""The configuration file: TOML text in, frozen `gateway.config.settings` out, or every mistake at once.

    settings = load(Path("etc/gateway.toml"))     # raises Mistakes

reading.py   the text, its lines, and the mistakes found so far
tables.py    one table -> one settings class, driven by the descriptions in `gateway.config.settings`
values.py    one value -> what a field holds
domains.py   `[domains]`: what is served how, with its certificates and secrets
peers.py     `[peers]`
loading.py   the whole file, and the checks that need all of it
advice.py    warnings: what is not a mistake and yet worth knowing
reference.py  docs/configuration.md, from the same descriptions
"""

from __future__ import annotations

from gateway.config.advice import warnings
from gateway.config.loading import load
from gateway.config.reading import Mistake, Mistakes

__all__ = ["Mistake", "Mistakes", "load", "warnings"]
