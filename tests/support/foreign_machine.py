"""A machine that is in the tests' way: `python -m tests.support.foreign_machine PYTEST-ARGUMENTS`, in namespaces alone.

Other servers listen on all the usual ports, at every address, and /etc/hosts sends every name that occurs in the tests
to an address where nobody is. What passes here depends on neither.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ALONE = ("unshare", "--map-root-user", "--net", "--mount")
ROOT = Path(__file__).parents[2]
USUAL_PORTS = (5222, 5223, 5269, 5270, 5275, 5276, 5279, 5280, 5281, 5299, 5300, 5347)
NOWHERE = ("192.0.2.1", "2001:db8::1")  # reserved for documentation
NAME = re.compile(r"\b(?:[a-z0-9-]+\.)+test\b")


def may_be_alone() -> bool:
    """Return whether this user may have their own namespaces, and has the tools to set them up."""
    try:
        return subprocess.run([*ALONE, "ip", "link"], capture_output=True).returncode == 0
    except OSError:
        return False


def names() -> set[str]:
    """Return every name below `test.` that the tests and the demo use."""
    files = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "etc").glob("*.toml"), *(ROOT / "gateway/demo").glob("*.py")]
    return {name for file in files for name in NAME.findall(file.read_text())}


def hosts_file() -> str:
    """Return a hosts file that knows all these names, and is wrong about each."""
    local = "127.0.0.1 localhost\n::1 localhost\n"
    return local + "".join(f"{address} {name}\n" for name in sorted(names()) for address in NOWHERE)


def main() -> int:
    """Set the machine up and run pytest on it; return the exit status of pytest."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with ExitStack() as held, tempfile.NamedTemporaryFile("w", suffix=".hosts") as hosts:
        for port in USUAL_PORTS:
            held.enter_context(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
        hosts.write(hosts_file())
        hosts.flush()
        subprocess.run(["mount", "--bind", hosts.name, "/etc/hosts"], check=True)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
