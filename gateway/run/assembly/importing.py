"""Importing: what another gateway has kept in a file is sent from here, when that gateway will not come back.

A request works for some seconds and says how much is left, so that the command can show progress. The file is closed
between requests. If the next one never comes, what was moved stays moved.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.operations.control.door import CommandRefused
from gateway.outbox.adoption import adopt
from gateway.outbox.errors import OutboxError
from gateway.outbox.opening import WhenOpened, open_left_file
from gateway.run.assembly.outbox import Kept
from gateway.run.assembly.shared import Shared

WORK_SECONDS = 5.0
"""How long one request works at most, apart from the page that it has begun."""


async def import_outbox(path: Path, kept: Kept, shared: Shared) -> dict[str, Any]:
    """Move what waits in the file of another gateway to our outbox; raise CommandRefused with the reason if not.

    The result has the number of `stanzas` that have moved, whether that is `complete`, and how many stanzas are `left`
    in the file. When it is complete, there was no room for these.
    """
    own = kept.outbox
    if own is None or not own.condition.is_ready:
        raise CommandRefused("the outbox of this gateway cannot take anything now: see xmpp-gateway status")
    if path.resolve().is_relative_to(shared.settings.gateway.state.resolve()):
        raise CommandRefused(f"{path} is the outbox of this gateway itself")
    if not path.is_file():  # it would be made
        raise CommandRefused(f"there is no outbox at {path}")
    reactor = shared.reactor
    ends_at = reactor.seconds() + WORK_SECONDS
    opened = WhenOpened()
    left = open_left_file(path, reactor, key_file=shared.settings.outbox.key_file, tell=opened.tell)
    try:
        await opened.waited()
        adopted = await adopt(left, own, moved=kept.learn, held=kept.hold, goes_on=lambda: reactor.seconds() < ends_at)
        others = len(await left.withheld()) + len(await left.aside())
        return {"stanzas": adopted.stanzas, "complete": adopted.is_complete, "left": left.stanzas + others}
    except OutboxError as error:
        raise CommandRefused(f"{path}: {error}") from error
    finally:
        await left.close()
