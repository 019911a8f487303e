"""Profanity in a terminal, as a person uses it: keys are typed, and the screen is read.

    async with Terminal(folder, "romeo@im.test", PASSWORD, house.at(CLIENT)) as romeo:
        romeo.type("/msg juliet@im.test But, soft!")
        await romeo.shows("But, soft!")

The terminal is tmux's, with its own server, which ends with it. TLS is on; the certificate is trusted unseen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

PATIENCE = 30  # of a busy machine
POLL_SECONDS = 0.1
ACCOUNT = """[{jid}]
enabled=true
jid={jid}
server={host}
port={port}
password={password}
resource=terminal
tls.policy=trust
presence.last=online
presence.login=online
"""
# The splash text would scroll what matters off the screen, and nobody is there to be asked about history.
SETTINGS = """[ui]
splash=false
wrap=true
[logging]
chlog=false
[connection]
reconnect=0
"""


class Terminal:
    """One person at their own terminal."""

    def __init__(self, folder: Path, jid: str, password: str, address: tuple[str, int]) -> None:
        self.jid = jid
        self._folder = folder
        self._socket = folder / "tmux"
        host, port = address
        self._write("data/profanity/accounts", ACCOUNT.format(jid=jid, host=host, port=port, password=password))
        self._write("config/profanity/profrc", SETTINGS)

    def _write(self, name: str, text: str) -> None:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    async def __aenter__(self) -> Self:
        self._tmux("new-session", "-d", "-x", "130", "-y", "50", f"profanity -a {self.jid}")
        await self.shows(f"{self.jid}/terminal logged in successfully")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._tmux("kill-server", check=False)

    def type(self, line: str) -> None:
        """Type a line and enter it."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def screen(self) -> str:
        """Return what is to be seen now."""
        return self._tmux("capture-pane", "-p", "-S", "-200")

    async def shows(self, text: str, timeout: float = PATIENCE) -> str:
        """Wait until a text is to be seen; the screen then."""
        return await self._until(lambda screen: text in screen, f"{text!r} was not shown", timeout)

    async def _until(self, wanted: Callable[[str], bool], problem: str, timeout: float = PATIENCE) -> str:
        deadline = asyncio.get_running_loop().time() + timeout
        while not wanted(screen := self.screen()):
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"{problem} to {self.jid} in {timeout} s; the screen:\n{screen}")
            await asyncio.sleep(POLL_SECONDS)
        return screen

    async def leave(self) -> None:
        """Log out properly, and stay at the terminal."""
        self.type("/disconnect")
        await self.shows(f"{self.jid} logged out successfully.")

    async def come_back(self) -> None:
        """Log in again."""
        self.type("/clear")
        await self._until(lambda screen: "logged" not in screen, "no clear screen was shown")
        self.type(f"/connect {self.jid}")
        await self.shows(f"{self.jid}/terminal logged in successfully")

    def _tmux(self, *words: str, check: bool = True) -> str:
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(self._folder / "config"),
            "XDG_DATA_HOME": str(self._folder / "data"),
            "TERM": "xterm",
            "LC_ALL": "C.UTF-8",
        }
        command = ["tmux", "-f", "/dev/null", "-S", str(self._socket), *words]
        return subprocess.run(command, env=environment, check=check, capture_output=True, text=True).stdout
