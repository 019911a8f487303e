"""A PostgreSQL server that stays away: operators see it, and everything that needs no database continues."""

from __future__ import annotations

from tests.interop.clients import user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.test_outbox import until
from tests.interop.test_postgresql import HOME, gateway
from tests.support.postgresql import Postgresql


def troubles(ours: Peer) -> list[str]:
    assert isinstance(ours, Gateway)
    return [each["subject"] for each in ours.ask("status")["troubles"]]


async def test_a_server_that_stays_away_is_told_and_what_needs_no_database_goes_on(
    start: Starter, postgresql: Postgresql
) -> None:
    ours = gateway(start, postgresql.url())
    async with user(ours, "romeo") as romeo, user(ours, "juliet") as juliet:
        postgresql.stop()
        try:
            await until(lambda: troubles(ours).count("away") == 2, 90)
            romeo.send_message(f"juliet@{HOME}", "Wherefore art thou?")
            await juliet.expect_message("Wherefore art thou?")
        finally:
            postgresql.start()
        await until(lambda: "away" not in troubles(ours), 90)
        juliet.send_message(f"romeo@{HOME}", "Here.")
        await romeo.expect_message("Here.")
    for which in ("the accounts' database cannot be reached", "the server of the outbox cannot be reached"):
        assert len([line for line in ours.log().splitlines() if " error " in line and which in line]) == 1
