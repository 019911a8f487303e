"""The scene in small: many streams stand, every stanza arrives, and the siege changes nothing for anybody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

import pytest

from tests.interop.peers import Gateway, NotInstalledError
from tests.load.scene import Pace, Scene

STREAMS, TALKERS, BESIEGERS, UNPROVED = 120, 4, 80, 20
LIMITS = {"unauthenticated_streams": UNPROVED, "connections_per_minute": 0, "negotiate_seconds": 60}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """All streams are open, and stand to the end."""
    try:
        Gateway.check_installed()
    except NotInstalledError as problem:
        pytest.skip(str(problem))
    pace = Pace(talkers=TALKERS, pushed=250, paced=50, per_second=200)
    with Scene(tmp_path_factory.mktemp("scene"), STREAMS, pace, LIMITS) as scene:
        scene.open(STREAMS)
        yield scene
        assert scene.crowd.call("hang_up") == STREAMS


def open_streams(scene: Scene) -> int:
    return sum(stream["kind"] == "server" for stream in scene.status()["streams"])


def test_very_many_senders_at_once_to_one_component_are_slowed_down_and_lose_nothing(scene: Scene) -> None:
    """Each of a hundred brings a whole read before it can be stopped."""
    assert scene.pushed(Pace(talkers=100, pushed=400))["stanzas/s"] > 0
    assert "resource-constraint" not in scene.gateway.log()


def test_many_streams_stand_and_every_stanza_arrives_while_others_take_up_room(scene: Scene) -> None:
    assert scene.pushed()["stanzas/s"] > 0  # all of them have come, or this has failed
    with scene.lag() as calm:
        scene.paced()
    before = scene.memory()
    with scene.under_siege(BESIEGERS, 200, TALKERS):
        assert scene.siege.call("standing") <= BESIEGERS
        scene.pushed()
        with scene.lag() as lags:
            scene.paced()
        assert STREAMS < open_streams(scene) <= STREAMS + 3 * UNPROVED  # some are just coming or going
    assert scene.came.ended >= BESIEGERS - UNPROVED
    assert len(scene.came.made) == 4
    assert median(lags) < max(2, 100 * median(calm))
    assert scene.memory() - before < 16 << 20
    deadline = time.monotonic() + 60
    while open_streams(scene) != STREAMS:
        assert time.monotonic() < deadline, "the besiegers are gone, and something of them is left"
    log = scene.gateway.log()
    assert "Traceback" not in log
    assert log.count("([limits] unauthenticated_streams)") < BESIEGERS // 2  # told once in a while, not for each
