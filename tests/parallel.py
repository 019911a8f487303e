"""How the tests are spread over the workers of pytest-xdist; a pytest plugin.

What one worker does in a row is called a scope. A file is a scope, so that servers shared by its tests start once.
Tests that mostly wait (for traffic at a pace, for faults, for timeouts) are scopes of their own; they begin early and
are mixed with the rest, so that they wait while others compute. The tests of files that compute for long are scopes of
their own too, so that no worker is left alone with such a file at the end.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from tests.busy import SERVERS

WAITING = ("tests/faults/", "tests/load/")
LONG = ("tests/hardening/test_f_b_2_repetitions.py", "tests/unit/filters/test_cost.py")  # together: minutes
SHARE = 0.6  # of the run in which the waiting tests have begun
SCENE = "operator/conftest.py"  # whose gateway, with five broken situations around it, is slow to set up
ON_THE_SCENE = tuple(f"tests/operator/test_{name}.py" for name in ("five_situations", "page", "probe"))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Return what gives scopes to workers, in the order in which they were collected."""
    from xdist.scheduler import LoadScopeScheduling

    class Scopes(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope(nodeid)

    config.option.loadscopereorder = False
    return Scopes(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        return
    waiting = [item for item in items if item.nodeid.startswith(WAITING)]
    rest = sorted((item for item in items if not item.nodeid.startswith(WAITING)), key=_turn)
    items[:] = mixed(waiting, rest)


def pytest_collection_finish() -> None:
    """Leave all tests out of what the collector looks at: many of them have it look, again and again."""
    gc.collect()
    gc.freeze()


def scope(nodeid: str) -> str:
    """Return the scope of a test."""
    if nodeid.startswith((*WAITING, *LONG)):
        return nodeid
    return SCENE if nodeid.startswith(ON_THE_SCENE) else nodeid.partition("::")[0]


def mixed(waiting: list[pytest.Item], rest: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield one of the waiting after each few of the rest."""
    every = max(1, int(SHARE * len(rest) / max(1, len(waiting))))
    others = iter(rest)
    for item in waiting:
        yield item
        for _, other in zip(range(every), others, strict=False):
            yield other
    yield from others


def _turn(item: pytest.Item) -> int:
    """Return the turn of a test: with servers first, then the long ones; the rest is short, and fills every gap."""
    if not SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
        return 0
    return 1 if item.nodeid.startswith(LONG) else 2
