"""`xmpp-gateway restore FILE`: put a backup in place, while the service does not run.

Everything is unpacked and checked before anything is moved. What was in the state folder is not deleted: `--replace`
moves it to a folder in there. The outbox stays as it is, unless `--outbox` asks for it: what waited at the time of the
backup has most likely been delivered since, and would be delivered again, or bounced.
"""

from __future__ import annotations

import argparse
import gzip
import io
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from gateway.commands.backup import (
    BESIDE,
    CONFIGURATION,
    DATABASES,
    STATE,
    SUBFOLDERS,
    NoBackup,
    check_database,
    is_copied_as_it_is,
    read_manifest,
    state_files,
)
from gateway.commands.configuration import add_config, config_of, read_config
from gateway.commands.service_user import become_service_user
from gateway.commands.telling import size
from gateway.config.settings import Settings
from gateway.operations.control.client import is_running
from gateway.operations.log import harmless
from gateway.outbox.database import KIND as OUTBOX
from gateway.storage.files import ACCOUNTS, UnusableFile, glance
from gateway.xmpp.errors import GatewayError

SPARE_BYTES = 64 << 20
"""What stays free on the disk of the state folder: a service whose disk is full cannot work."""
MOST_MEMBERS = 20_000
PIECE_BYTES = 1 << 20
BLOCK_BYTES = 4096  # the least that a file takes
_KINDS = {"accounts.db": ACCOUNTS, "outbox.db": OUTBOX}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_config(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="a file that `backup` has written")
    parser.add_argument("--replace", action="store_true", help="first move aside what is in the state folder")
    parser.add_argument("--outbox", action="store_true", help="also restore the stanzas that waited")


def run(arguments: argparse.Namespace) -> int:
    """Restore the file."""
    try:
        with arguments.file.open("rb") as source:  # opened by the user who runs the command
            become_service_user(config_of(arguments), makes_folder=True)
            settings = read_config(arguments)
            if is_running(settings.gateway.state):
                raise NoBackup("the service is running: stop it first")
            for line in restore(settings, source, replace=arguments.replace, with_outbox=arguments.outbox):
                print(harmless(line))  # a part of it comes from the archive
    except (GatewayError, sqlite3.Error, tarfile.TarError, EOFError, zlib.error, UnusableFile) as problem:
        print(f"xmpp-gateway: nothing was restored from {arguments.file}: {harmless(str(problem))}", file=sys.stderr)
        return 1
    return 0


def restore(settings: Settings, source: IO[bytes], *, replace: bool, with_outbox: bool) -> list[str]:
    """Put the files of an archive in place; return what was done, in words."""
    state = settings.gateway.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    databases = {name: getattr(settings, section).file for name, section in DATABASES.items()}
    if not with_outbox:
        databases["outbox.db"] = None
    with tempfile.TemporaryDirectory(dir=state, prefix="restoring-") as folder:
        draft = Path(folder)
        made = _unpack(source, draft, [name for name, file in databases.items() if file is not None], settings)
        old = [*state_files(settings), *_present(databases)]
        if old and not replace:
            raise NoBackup(f"{state} is in use already ({old[0].name}, ...): add --replace to move that aside")
        told = [f"restored the backup of {made}"]
        if old:
            told.append(f"the previous files are now in {_move_aside(old, state)}")
        for name, file in databases.items():
            if file is not None and (draft / name).exists():
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(draft / name, file)
        for file in sorted((draft / STATE).rglob("*")):
            if file.is_file():
                place = state / file.relative_to(draft / STATE)
                place.parent.mkdir(mode=0o700, exist_ok=True)
                file.replace(place)
    told.append("the configuration, certificates and keys are as they were: the archive has a copy of the first")
    return told


def _unpack(source: IO[bytes], draft: Path, wanted: list[str], settings: Settings) -> str:
    """Unpack and check everything, and refuse anything that is not part of a backup; return when it was made."""
    seen: set[str] = set()
    room = max(shutil.disk_usage(draft).free - SPARE_BYTES, 0)
    with gzip.GzipFile(fileobj=source) as content, tarfile.open(fileobj=_InPieces(content), mode="r:") as archive:
        members = iter(archive)
        made = str(read_manifest(archive, next(members, None))["made"])
        for member in members:
            is_known = member.name in (*DATABASES, CONFIGURATION) or _is_of_state(member.name, settings)
            if not member.isfile() or not is_known:
                raise NoBackup(f"it contains {member.name!r}, which is not part of a backup")
            if member.name in seen:
                raise NoBackup(f"it contains {member.name!r} twice")
            seen.add(member.name)
            if len(seen) > MOST_MEMBERS:
                raise NoBackup(f"it contains more than {MOST_MEMBERS:,} files, so it is not a backup")
            if member.name == CONFIGURATION or (member.name in DATABASES and member.name not in wanted):
                continue
            room -= max(member.size, BLOCK_BYTES)
            if room < 0:
                raise NoBackup(
                    f"its files, up to {member.name!r} of {size(member.size)}, need more room than the disk of"
                    f" {draft.parent} has; {size(SPARE_BYTES)} are left free for the service"
                )
            file = draft / member.name
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = archive.extractfile(member)
            assert found is not None  # because it is a file
            with file.open("xb") as out:
                shutil.copyfileobj(found, out)
            file.chmod(0o600)
    for name in wanted:
        if (draft / name).exists():
            glance(draft / name, _KINDS[name])
            check_database(draft / name, f"{name} in it")
    return made


class _InPieces(io.RawIOBase):
    """A stream that refuses to be read in pieces of any size: tarfile reads a long name into memory as a whole."""

    def __init__(self, content: IO[bytes] | gzip.GzipFile) -> None:
        self._content = content

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; raise NoBackup for more than a backup ever needs at once."""
        if not 0 <= size <= PIECE_BYTES:
            raise NoBackup(f"it has a name or a header of more than {PIECE_BYTES:,} bytes, so it is not a backup")
        return self._content.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._content.seek(offset, whence)

    def tell(self) -> int:
        return self._content.tell()


def _is_of_state(name: str, settings: Settings) -> bool:
    """Return whether a name in an archive is that of a file which `backup` copies from the state folder as it is."""
    *folders, file = name.split("/")
    if folders not in ([STATE], *([STATE, each] for each in SUBFOLDERS)):
        return False
    if not file.isprintable() or file in ("", ".", "..", *SUBFOLDERS):
        return False
    return is_copied_as_it_is(settings.gateway.state.joinpath(*folders[1:], file), settings)


def _present(databases: dict[str, Path | None]) -> list[Path]:
    """Return the databases that are there now, and what belongs to them."""
    places = [each.with_name(each.name + ending) for each in databases.values() if each for ending in ("", *BESIDE)]
    return [place for place in places if place.exists()]


def _move_aside(files: list[Path], state: Path) -> Path:
    aside = state / f"before-restore-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    for file in files:
        within = file.relative_to(state) if file.is_relative_to(state) else Path(file.name)
        (aside / within).parent.mkdir(mode=0o700, exist_ok=True)
        shutil.move(file, aside / within)
    return aside
