"""Its own machine for a test: the files of this one under a layer in memory, and its own network.

Its /tmp is empty. A project that lies there, or on another file system, is mounted as it is.

Nothing that happens on it stays. It needs root and namespaces, so a test has to do without it elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 60
PROJECT = Path(__file__).parents[2]

ENTER = """
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay none -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
mount -t proc none /mnt/root/proc
mount --rbind /dev /mnt/root/dev
mount -t tmpfs none /mnt/root/run
mount -t tmpfs none /mnt/root/tmp
[ -e "/mnt/root$1/setup.cfg" ] || { mkdir -p "/mnt/root$1"; mount --rbind "$1" "/mnt/root$1"; }
ip link set lo up
echo ready
exec sleep infinity
"""


class Machine:
    """A Debian machine, of which no change stays; or this one, with an empty `prefix`."""

    def __init__(self, prefix: list[str], root: Path) -> None:
        self._prefix, self._root = prefix, root

    def run(self, *words: object, given: str | None = None, status: int = 0) -> str:
        """Run a command to its end, and return all that it said."""
        command = [*self._prefix, *map(str, words)]
        ended = subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False
        )
        assert ended.returncode == status, f"{words}: {ended.returncode}\n{ended.stdout}"
        return ended.stdout

    def start(self, *words: object) -> subprocess.Popen[bytes]:
        """Start a command."""
        return subprocess.Popen([*self._prefix, *map(str, words)])

    def path(self, path: Path) -> Path:
        """Return where one of its files is for us."""
        return self._root / path.relative_to("/")

    def owner_and_mode(self, path: Path) -> str:
        """Return owner, group and mode of a file, as in `root:root 755`."""
        return self.run("stat", "--format=%U:%G %a", path).strip()

    def wait(self, *words: object) -> str:
        """Run a command until it succeeds, and return what it said."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.run(*words)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    @classmethod
    @contextmanager
    def of_its_own(cls) -> Iterator[Machine | None]:
        """Provide a machine until the end of the block, or None where no namespace can be made."""
        if os.getuid() != 0:
            yield None
            return
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh", PROJECT]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as holder:
            assert holder.stdout is not None
            try:
                if holder.stdout.readline() != "ready\n":
                    yield None
                    return
                child = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().strip()
                enter = ["nsenter", "--target", child, "--mount", "--net", "--pid"]
                prefix = [*enter, "chroot", "/mnt/root", "env", "--chdir=/"]
                yield cls(prefix, Path(f"/proc/{child}/root/mnt/root"))
            finally:
                holder.kill()
