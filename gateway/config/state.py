"""The state folder as the service will find it: can everything in it be read and written?

`check` asks before the start, and the service asks as it starts, so both give the same answer. The answer is for the
user who asks. If that is not the owner of the folder, only the owner of the service can know, and nothing is wrong yet.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from gateway.config.reading import Mistake
from gateway.config.settings import Settings

SECRETS = ("dialback.secret", "logins.secret")
SECRET_BYTES = 32
KEY = "gateway.state"


def state_problems(settings: Settings) -> Iterator[Mistake]:
    """Yield what this user cannot use of the state folder and the databases, each with its remedy."""
    folder = settings.gateway.state
    try:
        found = folder.stat()
    except FileNotFoundError:
        if folder.is_symlink():
            yield Mistake(KEY, f"{folder} is a link that leads nowhere: remove it, or make {folder.readlink()}")
        return  # it will be made; advice if it cannot be is a warning, because another user may make it
    except OSError as error:
        yield Mistake(KEY, f"cannot use the state folder {folder}: {error.strerror}")
        return
    if not stat.S_ISDIR(found.st_mode):
        yield Mistake(KEY, f"{folder} is not a folder: move it out of the way")
        return
    if found.st_uid != os.geteuid() and not _may(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Mistake(KEY, _foreign(folder, found.st_uid))
        return
    if not _may(folder, os.R_OK | os.W_OK | os.X_OK):
        yield Mistake(KEY, f"cannot write to the state folder {folder}: {_remedy(folder, 'u+rwx', found)}")
        return
    files = [(KEY, folder / name, os.R_OK) for name in SECRETS]
    for key, database in (("storage.url", settings.storage.file), ("outbox.url", settings.outbox.file)):
        if database is not None:
            files += ((key, database.with_name(database.name + end), os.R_OK | os.W_OK) for end in ("", "-wal", "-shm"))
            yield from _about_folder(key, database.parent, folder)
    for key, file, access in files:
        yield from _about_file(key, file, access)
    for name in SECRETS:
        yield from _about_secret(folder / name)


def is_of_another_user(folder: Path) -> bool:
    """Return whether the state folder belongs to somebody else, so that this user cannot judge it."""
    try:
        return os.geteuid() not in (0, folder.stat().st_uid)
    except OSError:
        return False


def owner_of(folder: Path) -> str:
    """Return the name of the user to whom a folder belongs."""
    return name_of(folder.stat().st_uid)


def cannot_be_made(folder: Path) -> bool:
    """Return whether there is no state folder, and this user cannot make it."""
    if os.path.lexists(folder):
        return False
    above = folder.parent
    while not above.exists() and above != above.parent:
        above = above.parent
    return not _may(above, os.W_OK | os.X_OK)


def _about_folder(key: str, folder: Path, state: Path) -> Iterator[Mistake]:
    """Yield why no database can be written in a folder, which need not be the state folder."""
    if folder != state and folder.is_dir() and not _may(folder, os.W_OK | os.X_OK):
        yield Mistake(key, f"cannot write to the folder {folder}: {_remedy(folder, 'u+rwx', folder.stat())}")


def _about_file(key: str, file: Path, access: int) -> Iterator[Mistake]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return  # it will be made
    except OSError as error:
        yield Mistake(key, f"cannot use {file}: {error.strerror}")
        return
    if not stat.S_ISREG(found.st_mode):
        yield Mistake(key, f"{file} is not a file: move it out of the way")
    elif not _may(file, access):
        what, mode = ("write to", "u+rw") if access & os.W_OK else ("read", "u+r")
        yield Mistake(key, f"cannot {what} {file}: {_remedy(file, mode, found)}")


def _about_secret(file: Path) -> Iterator[Mistake]:
    """Yield a secret that is too short, as one that a full disk has left behind."""
    if file.is_file() and _may(file, os.R_OK) and (length := file.stat().st_size) < SECRET_BYTES:
        problem = f"it has {length} bytes instead of {SECRET_BYTES}: remove it, and the gateway makes a new one"
        yield Mistake(KEY, f"cannot use {file}: {problem}")


def _may(path: Path, access: int) -> bool:
    return os.access(path, access, effective_ids=True)


def _foreign(folder: Path, owner: int) -> str:
    me = name_of(os.geteuid())
    return (
        f"the state folder {folder} belongs to {name_of(owner)}, and this is {me}: run as {name_of(owner)}, or,"
        f" if the gateway is to run as {me}, chown -R {me} {folder}"
    )


def _remedy(path: Path, mode: str, found: os.stat_result) -> str:
    """Return what makes a file or folder usable for this user."""
    me = name_of(os.geteuid())
    if found.st_uid != os.geteuid():
        return f"it belongs to {name_of(found.st_uid)}, and the gateway's user is {me}: chown {me} {path}"
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return "its file system is mounted read-only: mount it for writing"
    return f"its permissions do not let even its owner do so: chmod {mode} {path}"


def name_of(uid: int) -> str:
    """Return the name of a user of this machine; the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
