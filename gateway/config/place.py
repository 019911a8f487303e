"""The place of the configuration file if the command line does not name it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from gateway.xmpp.errors import GatewayError

VARIABLE = "XMPP_GATEWAY_CONFIG"
USUAL = Path("/etc/xmpp-gateway/gateway.toml")


class NoConfiguration(GatewayError):
    """No configuration file was named, and there is none in the default place."""


def find_config(named: str | Path | None, environment: Mapping[str, str] = os.environ, usual: Path = USUAL) -> Path:
    """Return the file that `--config` names, else the one in XMPP_GATEWAY_CONFIG, else the default one.

    Raise NoConfiguration if there is none of them. A named file need not exist: reading it will fail then.
    """
    if named or (named := environment.get(VARIABLE)):
        return Path(named)
    if usual.exists():
        return usual
    raise NoConfiguration(f"no configuration file: name one with --config FILE or in {VARIABLE}, or put it at {usual}")
