"""The file of known keys in the state folder: read at the start, written when there is something new.

Writing is tried every minute. If it fails, one warning says so, and the next one comes only after it has worked again.
"""

from __future__ import annotations

import json
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.notices import Level, Publish, Remark
from gateway.storage.whole_files import write_whole

FILE = "known-keys.json"
SAVE_SECONDS = 60.0
MOST_BYTES = 32 * 1024 * 1024


class KnownKeysFile(Service):
    """Keeps the known keys across restarts. An unreadable file is put aside, and a new one is started."""

    def __init__(self, keys: KnownKeys, file: Path, clock: IReactorTime, publish: Publish) -> None:
        self._keys = keys
        self._file = file
        self._publish = publish
        self._saving = LoopingCall(self.save)
        self._saving.clock = clock
        self._is_writable = True

    def startService(self) -> None:
        super().startService()
        self.load()
        self._saving.start(SAVE_SECONDS, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._saving.running:
            self._saving.stop()
        self.save()

    def load(self) -> None:
        """Read the file, if there is one."""
        try:
            if self._file.is_fifo():
                raise OSError(f"{self._file} is a named pipe")  # reading it would wait for ever
            with self._file.open("rb") as stream:
                content = stream.read(MOST_BYTES)
            self._keys.restore(json.loads(content)["domains"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            aside = self._file.with_suffix(".unreadable")
            try:
                self._file.replace(aside)
                where = f"the file is now {aside}"
            except OSError as problem:
                where = f"{self._file} cannot be renamed either ({problem.strerror})"
            why = (error.strerror or str(error)) if isinstance(error, OSError) else f"{self._file} is damaged"
            text = (
                f"cannot read the known keys of other domains ({why}): {where}. The gateway starts without them, so a"
                " key that has changed since is not noticed"
            )
            self._publish(Remark(text=text, weight=Level.WARN))

    def save(self) -> None:
        """Write the file, whole or not at all, if it is not up to date."""
        if self._keys.is_saved:
            return
        try:
            write_whole(self._file, [json.dumps({"domains": list(self._keys.records())})])
        except OSError as error:
            if self._is_writable:
                text = (
                    f"cannot write {self._file}: {error.strerror}. Until it can be written, a restart forgets the keys"
                    " that other domains have shown since"
                )
                self._publish(Remark(text=text, weight=Level.WARN))
            self._is_writable = False
            return
        self._is_writable = self._keys.is_saved = True
