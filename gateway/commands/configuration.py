"""The configuration file, which nearly every command reads."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.config import Mistakes, load
from gateway.config.settings import Settings


def add_config(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Let the command take `--config FILE`."""
    parser.add_argument("--config", metavar="FILE", type=Path, required=required, help="the configuration file")


def read_config(arguments: argparse.Namespace) -> Settings:
    """The settings of `--config`; with a mistake in them the program ends here, with the report."""
    try:
        return load(arguments.config)
    except Mistakes as mistakes:
        print(mistakes, file=sys.stderr)
        raise SystemExit(1) from None
