"""`python -m gateway.demo`: prepare, start both gateways, tell the story, stay up until Ctrl-C."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import react
from twisted.logger import globalLogBeginner

from gateway.config import Mistakes
from gateway.demo import material, outside
from gateway.demo.narrator import Alarm, Narrator
from gateway.demo.story import Story
from gateway.errors import GatewayError
from gateway.log import log_observer

ROOT = Path(__file__).parents[2]
STATE = ROOT / "state" / "demo"
CONFIGURATION = ROOT / "etc" / "demo.toml"
CONFIGURATION_OUTSIDE = ROOT / "etc" / "demo-outside.toml"


async def demo(reactor: Any) -> None:
    """The demo itself, which ends when something fails or the reactor is stopped."""
    narrator = Narrator()
    if material.prepare(STATE):
        narrator.tell(f"made an authority, certificates and secrets to throw away, in {STATE.relative_to(ROOT)}")
    log = (STATE / "gateway.log").open("a")
    globalLogBeginner.beginLoggingTo(
        [log_observer(log, form="text", level="debug"), Alarm(narrator)], redirectStandardIO=False
    )
    try:
        await Story(reactor, CONFIGURATION, narrator).play()
    except Mistakes as mistakes:
        narrator.show(str(mistakes))
        raise SystemExit(1) from None
    except CannotListenError as error:
        narrator.tell(f"{error}: does another demo run already?")
        raise SystemExit(1) from None
    except GatewayError as error:
        narrator.tell(str(error))
        raise SystemExit(1) from None
    await Deferred()


def main(reactor: Any, *words: str) -> Deferred[None]:
    """The demo, or with the word `outside` its other side."""
    if words == ("outside",):
        return outside.serve(reactor, CONFIGURATION_OUTSIDE)
    return Deferred.fromCoroutine(demo(reactor))


if __name__ == "__main__":
    react(main, sys.argv[1:])
