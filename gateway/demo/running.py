"""The course of the demo: prepare, start both gateways, run the story, stay up until Ctrl-C.

The configurations are in the folder's `etc`; everything made goes into its `state`. The default folder is this tree.
"""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.posixbase import PosixReactorBase
from twisted.logger import globalLogBeginner

from gateway.config import Mistakes
from gateway.demo import material, outside
from gateway.demo.narrator import Alarm, DemoNarrator
from gateway.demo.story import Story
from gateway.operations.log import log_observer
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import GatewayError

ROOT = Path(__file__).parents[2]


async def demo(reactor: IReactor, folder: Path) -> None:
    """Run the demo until something fails or the reactor is stopped."""

    # nohup and some CI runners start programs with SIGINT ignored, and Twisted leaves that alone; Ctrl-C must end us.
    def interrupted(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not end it any sooner
        cast(PosixReactorBase, reactor).sigInt(number, frame)

    signal.signal(signal.SIGINT, interrupted)
    narrator = DemoNarrator()
    state = folder / "state" / "demo"
    is_new = material.prepare(state)
    log = (state / "gateway.log").open("a")
    globalLogBeginner.beginLoggingTo(
        [log_observer(log, form="text", level="debug"), Alarm(narrator)], redirectStandardIO=False
    )
    try:
        story = Story(reactor, folder / "etc" / "demo.toml", narrator)
        narrator.tell(f"look at {story.page} in a browser: what happens here is shown there, live")
        if is_new:
            narrator.tell(f"made a throwaway authority, certificates and secrets in {state.relative_to(folder)}")
        await story.play()
    except Mistakes as mistakes:
        narrator.show(str(mistakes))
        raise SystemExit(1) from None
    except CannotListenError as error:
        narrator.tell(f"{error}: is another demo running?")
        raise SystemExit(1) from None
    except GatewayError as error:
        narrator.tell(str(error))
        raise SystemExit(1) from None
    await Deferred()


def main(reactor: IReactor, *words: str) -> Deferred[None]:
    """Run the demo, or with the word `outside` and a configuration its other side."""
    match words:
        case ("outside", configuration):
            return outside.serve(reactor, Path(configuration))
        case (folder,):
            return Deferred.fromCoroutine(demo(reactor, Path(folder)))
    return Deferred.fromCoroutine(demo(reactor, ROOT))
