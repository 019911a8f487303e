"""slidge as a process, with superduper, the network that its source has to try things out with.

slidge comes from the package index with the other tools of the tests; superduper is in its source archive alone, which
is fetched once into build/.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from tests.interop.peers import Peer
from tests.interop.peers.process import Server
from tests.interop.peers.site import COMPONENT

# slidge 0.4.2 takes the mere presence of this attribute for a sign that its own tests run, and then writes no rosters.
WHOLE = """\
from slidge.util.util import SubclassableOnce
from superduper import *
del SubclassableOnce.TEST_MODE
"""
BUILD = Path(__file__).parents[2] / "build"
FETCH_SECONDS = 300


def source() -> Path:
    """Return the folder with slidge's source, fetched if it is not there; OSError if it cannot be."""
    release = f"slidge-{version('slidge')}"
    found = BUILD / release
    if not (found / "superduper").exists():
        BUILD.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--no-binary", "slidge", "--dest", str(BUILD), f"slidge=={version('slidge')}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
        if done.returncode:
            raise OSError(f"pip cannot fetch the source of slidge: {done.stderr.strip()[-500:]}")
        subprocess.run(["tar", "--extract", "--gzip", "--file", f"{release}.tar.gz"], cwd=BUILD, check=True)
    return found


class Slidge(Server):
    """A bridge, attached to a gateway."""

    name = "slidge"

    def __init__(self, gateway: Peer, configuration: str, folder: Path) -> None:
        """`configuration` is an INI file; secret, server, port, folder and module are those of the test."""
        super().__init__(gateway.address, folder)
        self._configuration = dict(line.split("=", 1) for line in configuration.splitlines() if line.strip())
        domain = self._configuration["jid"]
        self._configuration |= {
            "secret": gateway.site.components[domain],
            "server": gateway.address,
            "port": str(COMPONENT),
            "home-dir": str(folder / "home"),
            "legacy-module": "whole",
        }

    def command(self) -> list[str]:
        return [sys.executable, "-m", "slidge", "--config", str(self.folder / "slidge.ini"), "--debug"]

    def environment(self) -> Mapping[str, str]:
        return {"PYTHONPATH": f"{self.folder}:{source()}", "PYTHONUNBUFFERED": "1"}

    def ports(self) -> tuple[int, ...]:
        return ()

    def ready(self) -> bool:
        return "Slidge has successfully started" in self.log()

    def write_configuration(self) -> None:
        (self.folder / "home").mkdir(exist_ok=True)
        (self.folder / "whole.py").write_text(WHOLE)
        text = "".join(f"{key}={value}\n" for key, value in self._configuration.items())
        (self.folder / "slidge.ini").write_text(text)
