"""Root becomes the user of the service, before a command touches the state folder.

A file that root makes there cannot be opened by the service, and it cannot use a file that only root can
read. So a command that root runs makes files, and judges them, as the owner of the state folder would.
"""

from __future__ import annotations

import os
import pwd
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

USUAL = "xmpp-gateway"
"""The user of Debian's package and of the example for systemd, as long as there is no state folder."""


class SystemUser(NamedTuple):
    """A user of this machine."""

    name: str
    uid: int
    gid: int
    groups: list[int]


def become_service_user(config: Path, *, makes_folder: bool = False) -> None:
    """Act as the owner of the state folder from now on, if root runs this command.

    `makes_folder` is for commands that write there: if there is no folder, it is made for the user `xmpp-gateway`, if
    there is one.
    """
    if os.geteuid() != 0 or (state := _state_of(config)) is None:
        return
    user = service_user(state)
    if user is None or user.uid == 0:
        return
    if makes_folder and not state.exists():
        _make_folder(state, user)
    _become(user)


def service_user(state: Path) -> SystemUser | None:
    """Return the owner of a state folder; if there is no folder yet, the user `xmpp-gateway`, if there is one."""
    try:
        owner = state.stat()
    except FileNotFoundError:
        return _named(USUAL)
    except OSError:
        return None  # the command reports it
    try:
        return _named(pwd.getpwuid(owner.st_uid).pw_name)
    except KeyError:  # a user without a name, as in a container
        return SystemUser(str(owner.st_uid), owner.st_uid, owner.st_gid, [])


def _named(name: str) -> SystemUser | None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        return None
    return SystemUser(name, found.pw_uid, found.pw_gid, os.getgrouplist(name, found.pw_gid))


def _state_of(config: Path) -> Path | None:
    """Return the state folder that a file names; None if it cannot be read, which the command reports itself."""
    try:
        return config.absolute().parent / str(tomllib.loads(config.read_text("utf-8"))["gateway"]["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make_folder(state: Path, user: SystemUser) -> None:
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(state, user.uid, user.gid)
    except OSError as error:
        print(f"xmpp-gateway: cannot make the state folder {state}: {error.strerror}", file=sys.stderr)


def _become(user: SystemUser) -> None:
    """Become that user for good, unless they cannot read this program, as when it is installed in root's home."""
    os.setgroups(user.groups)
    os.setresgid(user.gid, user.gid, 0)
    os.setresuid(user.uid, user.uid, 0)
    if os.access(__file__, os.R_OK):
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        return
    os.setresuid(0, 0, 0)
    os.setresgid(0, 0, 0)
    os.setgroups([0])
    problem = f"the service's user {user.name} cannot read this program in {Path(__file__).parent.parent}"
    print(f"xmpp-gateway: {problem}; continuing as root, so files made now belong to root", file=sys.stderr)
