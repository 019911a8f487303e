"""`xmpp-gateway migrate accounts|outbox URL`: copy what the configuration names into another database.

The service must not run meanwhile. The copy is one transaction, whose tables are counted and compared with the
originals before it is committed; a database that has anything in it is refused. Afterwards the operator changes `url`
in the configuration; the original stays as it is.
"""

from __future__ import annotations

import argparse
import sys

from gateway.commands.configuration import add_config, read_config
from gateway.commands.sides import TABLES, opened
from gateway.config.settings import Settings
from gateway.notices.notices import counted
from gateway.operations.control.client import is_running
from gateway.outbox.opening import schema_of
from gateway.storage.transfer import Copied, NotMigrated, copy
from gateway.xmpp.errors import GatewayError

_SECTIONS = {"accounts": "storage", "outbox": "outbox"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("what", choices=sorted(TABLES), help="what to copy")
    parser.add_argument(
        "url",
        metavar="URL",
        help="the new database, as the configuration will name it; -: read one line from standard input, so that a"
        " password does not show in the list of processes",
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; print the reason and return 1 when nothing was copied."""
    settings = read_config(arguments)
    url = sys.stdin.readline().strip() if arguments.url == "-" else arguments.url
    try:
        copied = migrate(settings, arguments.what, url)
    except GatewayError as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return 1
    print("\n".join(report(arguments.what, copied)))
    return 0


def migrate(settings: Settings, what: str, url: str) -> list[Copied]:
    """Copy accounts or outbox to the database that a URL names; raise GatewayError with nothing changed."""
    section = getattr(settings, _SECTIONS[what])
    state = settings.gateway.state
    if is_running(state):
        raise NotMigrated("the service is running, and what it writes meanwhile would be lost: stop it first")
    if section.url == url:
        raise NotMigrated(f"[{_SECTIONS[what]}] url already names this database")
    with (
        opened(what, section.url, state, is_source=True, schema=_schema(settings, section.url)) as source,
        opened(what, url, state, is_source=False, schema=_schema(settings, url)) as target,
    ):
        return copy(source, target, TABLES[what])


def _schema(settings: Settings, url: str) -> str | None:
    cluster = settings.cluster
    return schema_of(url, cluster.name, cluster.node) if cluster is not None else None


def report(what: str, copied: list[Copied]) -> list[str]:
    """Return what was copied, as lines for people."""
    lines = [f"{each.table:<16}{counted(each.rows, 'row'):>14}  SHA-256 {each.digest[:16]}" for each in copied]
    return [*lines, f"copied the {what}, and compared both; now set url in [{_SECTIONS[what]}] to the new database"]
