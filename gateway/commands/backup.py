"""`xmpp-gateway backup FILE`: write everything that the gateway remembers to one file, even while the service runs.

The file is a gzipped tar archive, readable by its owner alone, because it holds secrets:

    manifest.json    the version that wrote it, when, and what is not in it
    gateway.toml     the configuration, for reading: `restore` leaves it alone
    accounts.db      a consistent copy of the database of accounts
    outbox.db        the same of the stanzas that waited
    state/...        the other files of the state folder: secrets, known keys, lists

Certificates and keys are where the configuration says, and other programs renew them: they are not in it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from gateway.commands.configuration import add_config, config_of, read_config
from gateway.commands.service_user import become_service_user
from gateway.config.settings import Settings
from gateway.operations.control.place import NAME as SOCKET
from gateway.operations.log import harmless
from gateway.xmpp.errors import GatewayError

FORMAT = 1
MANIFEST, CONFIGURATION, STATE = "manifest.json", "gateway.toml", "state"
DATABASES = {"accounts.db": "storage", "outbox.db": "outbox"}
"""The names of the databases in the archive, with their sections of the configuration."""
BESIDE = ("-wal", "-shm", "-journal", "-reserve")
"""The endings of files beside a database, which belong to the process that has it open."""
SUBFOLDERS = ("lists",)
"""The folders within the state folder whose files are copied."""


class NoBackup(GatewayError):
    """The backup cannot be written or read, for the reason in the message."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument(
        "file", metavar="FILE", type=Path, help="the file to write, which must not exist yet; - is standard output"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file; what is incomplete is removed."""
    config = config_of(arguments)
    is_output = str(arguments.file) == "-"
    try:
        # Opened by the user who runs the command: root may put it where the service may not write.
        out = sys.stdout.buffer if is_output else os.fdopen(_created(arguments.file), "wb")
    except OSError as problem:
        print(f"xmpp-gateway: cannot write {arguments.file}: {problem.strerror}", file=sys.stderr)
        return 1
    left_out: list[str] | None = None
    try:
        become_service_user(config)
        left_out = write(read_config(arguments), out)
        out.close()
    except (GatewayError, sqlite3.Error) as problem:
        print(f"xmpp-gateway: no backup: {harmless(str(problem))}", file=sys.stderr)
        return 1
    finally:
        if left_out is None and not is_output:
            _remove(arguments.file, out)
    for each in left_out:
        print(f"not included: {each}", file=sys.stderr)
    return 0


def _remove(file: Path, out: IO[bytes]) -> None:
    """Remove an incomplete file, or empty it where only root may remove it."""
    with suppress(OSError):
        os.ftruncate(out.fileno(), 0)
        out.close()
    with suppress(OSError):
        file.unlink()


def _created(file: Path) -> int:
    return os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)


def write(settings: Settings, out: IO[bytes]) -> list[str]:
    """Write the archive of a gateway; return what is not in it, in words."""
    state = settings.gateway.state
    if not state.is_dir():
        raise NoBackup(f"there is no state folder {state}")
    left_out = ["certificates and keys, which the configuration names"]
    with tarfile.open(fileobj=out, mode="w|gz") as archive, tempfile.TemporaryDirectory(dir=state) as draft:
        copies = {}
        for name, section in DATABASES.items():
            file, url = getattr(settings, section).file, getattr(settings, section).url
            if file is None:
                scheme = url.partition(":")[0]
                left_out.append(f"{section}.url is {scheme}: " + _elsewhere(scheme))
            elif file.exists():
                copies[name] = copy_database(file, Path(draft) / name)
        manifest = {
            "format": FORMAT,
            "version": version("xmpp-gateway"),
            "made": datetime.now(UTC).isoformat(timespec="seconds"),
            "left_out": left_out,
        }
        _add_text(archive, MANIFEST, json.dumps(manifest, indent=1) + "\n")
        _add_text(archive, CONFIGURATION, settings.file.read_text("utf-8"))
        for name, copy in copies.items():
            archive.add(copy, name)
        for file in state_files(settings):
            archive.add(file, f"{STATE}/{file.relative_to(state)}")
    return left_out


def _elsewhere(scheme: str) -> str:
    return (
        "nothing of it is kept" if scheme == "memory" else "back up that database with its own tools, such as pg_dump"
    )


def state_files(settings: Settings) -> Iterator[Path]:
    """Yield the files of the state folder that are copied as they are: all but databases, sockets and drafts."""
    state = settings.gateway.state
    for folder in (state, *(state / name for name in SUBFOLDERS)):
        for file in sorted(folder.iterdir()) if folder.is_dir() else ():
            if is_copied_as_it_is(file, settings) and file.is_file() and not file.is_symlink():
                yield file


def is_copied_as_it_is(file: Path, settings: Settings) -> bool:
    """Return whether a name in the state folder is neither of a database, in use or left over, nor a socket or draft.

    A database is copied at one moment, and checked when it comes back. As a plain file it would bypass both.
    """
    databases = {each.file for each in (settings.storage, settings.outbox) if each.file is not None}
    besides = {each.with_name(each.name + ending) for each in databases for ending in ("", *BESIDE)}
    is_database = file in besides or file.name.endswith(tuple(f".db{ending}" for ending in ("", *BESIDE)))
    return not is_database and file.name != SOCKET and file.suffix != ".new"


def copy_database(file: Path, copy: Path) -> Path:
    """Copy a database that may be in use, at one moment, and check the copy; raise NoBackup if it is damaged."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        target.execute("PRAGMA journal_mode = DELETE").fetchall()
    check_database(copy, str(file))
    return copy


def check_database(file: Path, called: str) -> None:
    """Raise NoBackup if a database is damaged."""
    with closing(sqlite3.connect(file)) as database:
        (told,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if told != "ok":
        raise NoBackup(f"the database {called} is damaged: {told}")


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    member.mtime = int(datetime.now(UTC).timestamp())
    archive.addfile(member, io.BytesIO(content))


def read_manifest(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    """Return the manifest of an archive, its first member; raise NoBackup if it has none that we understand."""
    content = archive.extractfile(member) if member is not None and member.name == MANIFEST else None
    try:
        manifest = json.loads(content.read(1_000_000)) if content is not None else None
    except (ValueError, RecursionError):  # not JSON, or nested too deep
        manifest = None
    if not isinstance(manifest, dict) or not {"format", "made"} <= manifest.keys():
        raise NoBackup("it is not a backup of xmpp-gateway")
    if manifest["format"] != FORMAT:
        raise NoBackup(f"it was written by a newer xmpp-gateway ({manifest.get('version')}): restore it with that one")
    return manifest
