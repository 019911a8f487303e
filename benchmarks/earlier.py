"""An earlier state of the gateway, which takes its turns beside the present one: what has a change cost?

python -m benchmarks --before ../earlier --without dns.hosts_file peers.*.keep

The other checkout has its own virtual environment in `.venv`. `--without` names the keys of the configuration that
it does not know yet; `*` stands for any name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.interop.peers import Gateway


def earlier(tree: Path, unknown: Iterable[str]) -> type[Gateway]:
    """Return the gateway of another checkout, which does not know these keys."""
    scripts = tree.resolve() / ".venv" / "bin"
    keys = tuple(unknown)

    class Earlier(Gateway):
        programs = scripts
        program = str(scripts / "twistd")
        needs: Mapping[str, str] = {"xmpp-gateway": str(scripts / "xmpp-gateway")}

        def environment(self) -> Mapping[str, str]:
            return {**super().environment(), "PYTHONPATH": str(tree.resolve())}  # where twistd finds its plug-in

        def settings(self) -> Mapping[str, Any]:
            return known(super().settings(), keys)

    return Earlier


def known(settings: Mapping[str, Any], unknown: tuple[str, ...], table: str = "") -> dict[str, Any]:
    """Return the settings less the unknown keys, which are given with their tables: `peers.*.keep`."""
    return {
        key: known(value, unknown, f"{table}{key}.") if isinstance(value, Mapping) else value
        for key, value in settings.items()
        if not any(fnmatchcase(f"{table}{key}", pattern) for pattern in unknown)
    }
