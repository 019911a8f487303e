"""Profanity at our client doors, as two people use it at their terminals: both with us, and one of them elsewhere."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from tests.interop.clients import PASSWORD
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT
from tests.interop.terminal import Terminal


@pytest.fixture(params=["house", "prosody", "ejabberd"])
def away(request: pytest.FixtureRequest) -> Peer:
    """Return the domain of the other account."""
    return request.getfixturevalue(request.param)


def require(*programs: str) -> None:
    """Skip, or fail where everything has to be there, without these programs."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        problem = f"not installed: {', '.join(missing)} (see tests/interop/install.sh)"
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(problem)


async def test_profanity_two_people_meet_chat_part_and_get_what_was_stored(
    tmp_path: Path, house: Peer, away: Peer
) -> None:
    require("profanity", "tmux")
    here, there = "romeo@im.test", f"juliet@{away.site.domains[0]}"
    async with (
        Terminal(tmp_path / "romeo", here, PASSWORD, house.at(CLIENT)) as romeo,
        Terminal(tmp_path / "juliet", there, PASSWORD, away.at(CLIENT)) as juliet,
    ):
        romeo.type(f"/sub request {there}")
        await juliet.shows(f"Received authorization request from {here}")
        juliet.type(f"/sub allow {here}")
        await romeo.shows(f"Subscription received from {there}")
        await romeo.shows(f"{there} (terminal) is online")
        juliet.type(f"/sub request {here}")
        await romeo.shows(f"Received authorization request from {there}")
        romeo.type(f"/sub allow {there}")
        await juliet.shows(f"{here} (terminal) is online")
        romeo.type("/roster")
        await romeo.shows(f"{there} - both")

        romeo.type(f"/msg {there} But, soft!")
        await juliet.shows("<< chat message: romeo@im.test")
        juliet.type("/win 2")
        await juliet.shows("But, soft!")
        juliet.type("Ay me!")
        await romeo.shows("Ay me!")

        juliet.type("/win 1")
        await juliet.leave()
        await romeo.shows("[offline]")
        romeo.type("O, speak again, bright angel!")
        await romeo.shows("me: O, speak again")
        await asyncio.sleep(0.5)  # what is shown at one terminal is on its way to the other's server
        await juliet.come_back()
        await juliet.shows("<< chat message: romeo@im.test")
        juliet.type("/win 2")
        await juliet.shows("O, speak again, bright angel!")
        for each, contact in ((romeo, there), (juliet, here)):
            each.type("/win 1")
            each.type(f"/roster remove {contact}")
            await each.shows(f"Roster item removed: {contact}")
