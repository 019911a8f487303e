"""How the tests are spread over the workers of pytest-xdist; a pytest plugin.

What one worker does in a row is called a scope. A file is a scope, so that servers shared by its tests start once.
Tests that mostly wait (for traffic at a pace, for faults, for timeouts) are scopes of their own. They and the files
with servers are mixed with the rest, so that they wait while others compute; those that last long begin first. The
tests of files that compute for long are scopes of their own too, so that no worker is left alone with such a file at
the end.

ejabberd takes three seconds of processor time to start. So the files that share one are few scopes, and most workers
have none.
"""

from __future__ import annotations

import gc
import importlib
from collections.abc import Generator, Iterator
from contextlib import suppress

import pytest
from _pytest.runner import runtestprotocol

from tests.busy import SERVERS

WAITING = ("tests/faults/",)
LONG = ("tests/hardening/test_f_b_2_repetitions.py", "tests/unit/filters/test_cost.py")  # together: minutes
# Files of one scope that last longest, by their elapsed time: a worker that began one late would end last.
LASTING = tuple(
    f"tests/{name}.py"
    for name in (
        *("interop/test_outbox", "hardening/test_f_d_7_foreign_machine", "kit/test_archives", "unit/demo/test_demo"),
        *("interop/test_outbox_crashes", "operator/test_page_at_size", "interop/test_outbox_peers"),
        "interop/test_cluster_takeover",
    )
)
# The files that share one ejabberd, by scope. They last longer than all others, so each has about as much to do.
WITH_EJABBERD = {
    f"ejabberd, {name}": tuple(f"tests/{file}" for file in files)
    for name, files in {
        "inspected": (
            *("interop/test_interop_faults.py", "interop/test_interop_both_ways.py", "interop/test_outages.py"),
            "interop/test_slidge.py",
        ),
        "and its clients": (
            *("features/client/", "features/test_5_1.py", "features/test_6_3.py", "features/test_8_1.py"),
            *("interop/test_node.py", "interop/test_own_logins.py", "interop/test_slixmpp.py"),
            "interop/test_terminal.py",
        ),
        "and its streams": (
            *("interop/test_components.py", "interop/test_pairs.py", "interop/test_peers.py", "faults/test_cluster.py"),
            *("interop/test_proofs.py", "interop/test_refusals.py", "interop/test_relay.py", "interop/test_secrecy.py"),
            "hardening/test_f_c_10_the_relay_recipe.py",
        ),
    }.items()
}
EARLIEST = ("tests/load/", *LASTING, *(file for files in WITH_EJABBERD.values() for file in files))
SHARE = 0.8  # of the run in which the waiting tests and the files with servers have begun
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
    early = sorted((item for item in items if _is_early(item)), key=_turn)
    items[:] = mixed(early, [item for item in items if not _is_early(item)])


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Have no garbage looked for while the tests are found: what is made then is to stay."""
    gc.disable()
    try:
        import_a_share(session.config)
        return (yield)
    finally:
        gc.enable()


def import_a_share(config: pytest.Config) -> None:
    """Import this worker's share of the files of tests, before all of them import all.

    In a new clone no file has been compiled. Workers that go through them side by side would each compile all of them,
    twice as much work as all the rest of the collection; this way, most of it is done once.
    """
    if (worker := getattr(config, "workerinput", None)) is None:
        return
    number, of = int(worker["workerid"].removeprefix("gw")), worker["workercount"]
    folders = [config.rootpath / name for name in config.args]
    files = sorted(file for folder in folders for file in folder.rglob("test_*.py"))
    for file in files[number::of]:
        with suppress(Exception, pytest.skip.Exception):  # it comes again, and is reported, when it is collected
            importlib.import_module(".".join(file.relative_to(config.rootpath).with_suffix("").parts))


def pytest_collection_finish() -> None:
    leave_out_what_is_there()


def leave_out_what_is_there() -> None:
    """Leave all tests, and what the files that have been run keep, out of what the garbage collector looks at.

    Many tests have it look, again and again; each look would take longer the more has been kept.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Run a test on a worker, and tell the main process once that it has passed.

    Six messages would tell of each test: that it begins, what its fixtures, its call and their end came to, that it
    has ended, and that the worker takes the next one. For a small test that is more work than the test itself. Only of
    a test that has not passed are all reports sent.
    """
    if not hasattr(item.config, "workerinput"):
        return None
    for report in worth_telling(runtestprotocol(item, log=False, nextitem=nextitem)):
        item.ihook.pytest_runtest_logreport(report=report)
    if nextitem is None or nextitem.path != item.path:
        leave_out_what_is_there()
    return True


def worth_telling(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    """Return the report of the call alone if all has passed, with the time of all, and without its keywords.

    These are most of its size, and asked for by nobody.
    """
    calls = [report for report in reports if report.when == "call"]
    if not all(report.passed for report in reports) or not calls:
        return reports
    calls[0].duration = sum(report.duration for report in reports)
    calls[0].keywords = {}
    return calls


def scope(nodeid: str) -> str:
    """Return the scope of a test."""
    for name, files in WITH_EJABBERD.items():
        if nodeid.startswith(files):
            return name
    if nodeid.startswith((*WAITING, *LONG)):
        return nodeid
    return SCENE if nodeid.startswith(ON_THE_SCENE) else nodeid.partition("::")[0]


def mixed(early: list[pytest.Item], rest: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield one that is to begin early after each few of the rest."""
    every = max(1, int(SHARE * len(rest) / max(1, len(early))))
    others = iter(rest)
    for item in early:
        yield item
        for _, other in zip(range(every), others, strict=False):
            yield other
    yield from others


def _is_early(item: pytest.Item) -> bool:
    """Return whether a test waits, has servers, or lasts long."""
    has_servers = not SERVERS.isdisjoint(getattr(item, "fixturenames", ()))
    return has_servers or item.nodeid.startswith((*WAITING, *EARLIEST, *LONG))


def _turn(item: pytest.Item) -> int:
    """Return the turn of a test among those that begin early."""
    if scope(item.nodeid) in WITH_EJABBERD:
        return 0
    return 1 if item.nodeid.startswith(LASTING) else 2
