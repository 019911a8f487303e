"""`make cluster` tells its story to the end."""

from __future__ import annotations

import pytest

from tests.interop.cluster_demo import main
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Nats


def test_the_story_is_told_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    """It runs in this process, so that its gateways are forks."""
    require_installed(Nats)
    main(["--once"])
    told = capsys.readouterr().out
    assert "the echo came in at node c, and crossed to node a" in told
    assert "the echo came in at node c, and crossed to node b" in told
    assert "node a is back" in told
    assert "node c: " in told
