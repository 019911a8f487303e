"""The option `--config`, which nearly every command takes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.config import Mistakes, load
from gateway.config.place import USUAL, VARIABLE, NoConfiguration, find_config
from gateway.config.settings import Settings


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the option `--config FILE` to a command."""
    usual = f"default: ${VARIABLE}, or {USUAL}"
    parser.add_argument("--config", metavar="FILE", type=Path, help=f"the configuration file; {usual}")


def config_of(arguments: argparse.Namespace) -> Path:
    """Return the configuration file; end the program with a message when there is none."""
    try:
        return find_config(arguments.config)
    except NoConfiguration as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        raise SystemExit(2) from None


def has_config(arguments: argparse.Namespace) -> bool:
    """Return whether there is a configuration, named or in the usual place; for commands that can do without one."""
    try:
        find_config(arguments.config)
    except NoConfiguration:
        return False
    return True


def read_config(arguments: argparse.Namespace) -> Settings:
    """Return the settings; end the program with a report when the file has mistakes."""
    try:
        return load(config_of(arguments))
    except Mistakes as mistakes:
        print(mistakes, file=sys.stderr)
        raise SystemExit(1) from None
