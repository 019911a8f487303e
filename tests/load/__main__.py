"""The whole run: `python -m tests.load --streams 10000`, as figures, one a line."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.figures import percentile
from tests.load.scene import Pace, Scene, per_stream, raise_descriptors


def main() -> None:
    """Have the scene played, and tell the figures as they come."""
    parser = argparse.ArgumentParser(prog="tests.load", description="Many open streams, and traffic on 1 % of them.")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--pushed", type=int, default=500, help="stanzas a stream, sent as fast as they are taken")
    parser.add_argument("--paced", type=int, default=50, help="stanzas a stream, sent at a pace")
    parser.add_argument("--per-second", type=float, default=500, help="the pace")
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--besiegers", type=int, default=1500, help="half-open connections at a time")
    parser.add_argument("--besiegers-per-second", type=float, default=100, help="how fast they come")
    options = parser.parse_args()
    tell("descriptors", {"most": raise_descriptors()})
    talkers = max(1, options.streams // 100)
    pace = Pace(talkers=talkers, pushed=options.pushed, paced=options.paced, per_second=options.per_second)
    with (
        tempfile.TemporaryDirectory(prefix="xmpp-gateway-load-") as folder,
        Scene(Path(folder), options.streams, pace) as scene,
    ):
        play(scene, options, talkers)


def play(scene: Scene, options: argparse.Namespace, talkers: int) -> None:
    """A few streams, then all, then all and the siege."""
    scene.open(talkers)
    scene.pushed()  # warm
    few = measured(scene, f"only the {talkers} streams with traffic")
    before = scene.memory()
    seconds, cpu = scene.open(options.streams - talkers)
    rate = (options.streams - talkers) / seconds
    tell(f"opened {options.streams}", {"s": seconds, "streams/s": rate, "gateway's cpu s": cpu})
    tell("memory", {"KiB/stream": per_stream(scene.memory(), before, options.streams - talkers)})
    tell("idle", {"processor": scene.idle(options.idle_seconds)})
    many = measured(scene, f"{options.streams} streams, traffic on {talkers}")
    look(scene)
    with scene.under_siege(options.besiegers, options.besiegers_per_second, talkers):
        tell("under siege", {"besiegers": scene.siege.call("standing"), "slow senders": talkers})
        tell("what the siege takes of the gateway", {"processor": scene.idle(options.idle_seconds)})
        besieged = measured(scene, "the same under siege")
        look(scene)
    tell("besiegers", {**scene.came.made, "ended by the gateway": scene.came.ended})
    tell("rate against few streams", {"many": many / few, "besieged": besieged / few})
    tell("stood to the end", {"streams": scene.crowd.call("hang_up")})
    tell("log", {"lines": scene.gateway.log().count("\n")})


def measured(scene: Scene, title: str) -> float:
    """Traffic; returns how many stanzas passed in a second, in the best of three rounds."""
    rounds = [scene.pushed() for _ in range(3)]
    best = max(rounds, key=lambda figures: figures["stanzas/s"])
    tell(f"{title}, pushed", best)
    with scene.lag() as lags:
        tell(f"{title}, paced", scene.paced())
    tell(f"{title}, lag", {"median ms": 1e3 * percentile(lags, 0.5), "largest ms": 1e3 * max(lags)})
    return best["stanzas/s"]


def look(scene: Scene) -> None:
    """Ask for what operators ask for."""
    tell("status command", scene.timed(scene.status))
    for path in ("/", "/events", "/metrics", "/healthz"):
        tell(f"page {path}", scene.timed(lambda path=path: scene.page(path)))  # type: ignore[misc]


def tell(what: str, figures: Mapping[str, float]) -> None:
    """One line."""
    told = ", ".join(f"{name} {value:,.2f}".removesuffix(".00") for name, value in figures.items())
    print(f"{what}: {told}", flush=True)


if __name__ == "__main__":
    main()
