"""`xmpp-gateway posh DOMAIN`: the file to publish on the web server of one of our domains (RFC 7711)."""

from __future__ import annotations

import argparse
import sys

from gateway.commands.configuration import add_config, read_config
from gateway.commands.exit_statuses import DONE, NOT_DONE
from gateway.commands.identities import domain_argument, identity_of
from gateway.net.certificates.posh import LONGEST_SECONDS, make_document, posh_url


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    told = "how long others may keep it; default: a day"
    parser.add_argument("--expires", type=int, default=LONGEST_SECONDS, metavar="SECONDS", help=told)
    domain_argument(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the document, and on standard error where it belongs."""
    identity = identity_of(read_config(arguments), arguments.domain)
    if identity is None:
        return NOT_DONE
    print(make_document([identity.certificate], arguments.expires))
    print(f"publish this as {posh_url(identity.domain)}", file=sys.stderr)
    return DONE
