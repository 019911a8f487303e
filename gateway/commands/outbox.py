"""`xmpp-gateway outbox import DIR`: have the service send what a gateway that will not come back has kept.

It is for the files of a node or an earlier gateway whose machine is lost; with `[outbox] url = "postgresql://..."` the
nodes do it themselves. The other gateway must not run: both would send the same stanzas.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from gateway.commands.configuration import add_config, config_of
from gateway.commands.exit_statuses import DONE, NOT_DONE, NOT_RUNNING, SOMETHING_IS_WRONG
from gateway.commands.steering import state_folder
from gateway.notices.notices import counted
from gateway.operations.control.client import NotDone, NotRunning, ask, is_running
from gateway.xmpp.errors import GatewayError

FILE = "outbox.db"
"""What the outbox is called in a state folder, unless its configuration says otherwise."""
PATIENCE = 120.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("action", choices=["import"], metavar="import", help="the only action")
    parser.add_argument(
        "place",
        type=Path,
        metavar="DIR",
        help=f"the state folder of the other gateway, with {FILE} in it; or the file itself if its name is different",
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry out the command; print how many stanzas have moved, also while it is under way."""
    place = arguments.place.absolute()
    path = place / FILE if place.is_dir() else place
    try:
        if is_running(path.parent):
            raise NotDone(
                f"a gateway is running with the state folder {path.parent}, and sends what it has kept itself"
            )
        moved, left = _move(state_folder(config_of(arguments)), path)
    except NotRunning as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return NOT_RUNNING
    except GatewayError as problem:
        print(f"xmpp-gateway: {problem}", file=sys.stderr)
        return NOT_DONE
    print(f"{counted(moved, 'stanza')} of {path} will be sent from here")
    if left:
        print(f"{counted(left, 'stanza')} could not be moved, because there is no room here")
    return SOMETHING_IS_WRONG if left else DONE


def _move(state: Path, path: Path) -> tuple[int, int]:
    """Ask the service again and again until all has moved; return how many have, and how many are left."""
    moved = 0
    while True:
        answer = ask(state, "import_outbox", patience=PATIENCE, path=str(path))
        moved += answer["stanzas"]
        if answer["complete"]:
            return moved, answer["left"]
        print(f"{counted(moved, 'stanza')} moved, {answer['left']} left", file=sys.stderr)
