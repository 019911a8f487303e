"""Run in its own network: cuts a connection off, and prints after how many seconds the system has given it up."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys
from time import monotonic
from types import SimpleNamespace

from gateway.net.connection.user_timeout import give_up_after

LONGEST_SECONDS = 30


def main(seconds: float) -> None:
    """Write what will never arrive, and wait for the end."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as door, socket.create_connection(door.getsockname()) as connection:
        give_up_after(SimpleNamespace(getHandle=lambda: connection), seconds)
        subprocess.run(["ip", "link", "set", "lo", "down"], check=True)
        began = monotonic()
        connection.send(b"lost")
        connection.settimeout(LONGEST_SECONDS)
        try:
            connection.recv(1)
        except OSError as end:
            if end.errno != errno.ETIMEDOUT:
                raise
            print(monotonic() - began)


if __name__ == "__main__":
    main(float(sys.argv[1]))
