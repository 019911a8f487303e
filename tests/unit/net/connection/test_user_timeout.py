"""The system gives up connections whose other end says nothing any longer."""

from __future__ import annotations

import socket
from types import SimpleNamespace

import pytest

from gateway.net.connection.user_timeout import give_up_after


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system takes its own time")
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_system_tries_for_as_long_as_it_is_told(family: int) -> None:
    with socket.socket(family) as connection:
        give_up_after(SimpleNamespace(getHandle=lambda: connection), 12.5)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12500


def test_what_is_no_tcp_is_left_alone() -> None:
    give_up_after(SimpleNamespace(), 12.5)
    with socket.socket(socket.AF_UNIX) as connection:
        give_up_after(SimpleNamespace(getHandle=lambda: connection), 12.5)
