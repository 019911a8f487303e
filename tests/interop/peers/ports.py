"""The ports of all servers in the tests: the usual ones, moved to where nothing else on this machine listens.

A server that listens on [::]:5269 or 0.0.0.0:5269 would keep every test from that port, whatever address the test uses.
So each usual port is moved by the same distance, the first one at which all of them are free. The distance is put into
the environment, so that processes started by the tests move their ports alike.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from contextlib import ExitStack

import pytest

VARIABLE = "XMPP_GATEWAY_TEST_PORTS"
DISTANCES = range(20_000, 27_000, 500)  # stays below 32768, where Linux takes the ports of outgoing connections from
PROBE_ADDRESS = "127.255.255.254"  # no test uses it: a port is taken there only if it is taken everywhere

USUAL = (4222, 5222, 5223, 5269, 5270, 5279, 5280, 5300, 5347)


def chosen_distance() -> int:
    """Return how far the ports are moved in this process and in those that it starts."""
    if VARIABLE not in os.environ:
        os.environ[VARIABLE] = str(find_distance())
    return int(os.environ[VARIABLE])


def find_distance(usual: Iterable[int] = USUAL, distances: Iterable[int] = DISTANCES) -> int:
    """Return the first distance at which every port is free; raise RuntimeError when there is none."""
    for distance in distances:
        if all(is_free(port + distance) for port in usual):
            return distance
    raise RuntimeError("no ports are free for the servers of the tests")


def usual(port: int) -> int:
    """Return a usual port for a test that needs that very one, as where no SRV record names another.

    Where a server of this machine has it at every address, the test is skipped, and says so.
    """
    if not is_free(port):
        pytest.skip(f"another server of this machine listens at port {port} of every address")
    return port


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port at all addresses, with TCP or with UDP."""
    with ExitStack() as held:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            probe = held.enter_context(socket.socket(socket.AF_INET, kind))
            try:
                probe.bind((PROBE_ADDRESS, port))
            except OSError:
                return False
    return True
