"""Whether the databases of accounts and outbox can be used, for `xmpp-gateway check`: files are opened, servers asked.

Nothing is written. What is there is judged; a file that is not there will be made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.config.settings import Settings
from gateway.outbox.database import KIND as OUTBOX
from gateway.storage.files import ACCOUNTS, UnusableFile, examine
from gateway.storage.urls import is_postgresql


@dataclass(frozen=True, kw_only=True)
class DatabaseCheck:
    """A database that the configuration names, and what keeps us from using it; empty if nothing does.

    Without its file the service does not start. A server may come back at any time, so it does not matter to the start.
    """

    section: str
    database: str
    is_file: bool
    problem: str

    @property
    def told(self) -> str:
        """The result in words."""
        return f"cannot use {self.database}: {self.problem}" if self.problem else f"{self.database} can be used"


def check_databases(settings: Settings) -> Iterator[DatabaseCheck]:
    """Yield the databases of accounts and outbox, checked; those in memory are left out."""
    for section, configured, kind in (("storage", settings.storage, ACCOUNTS), ("outbox", settings.outbox, OUTBOX)):
        if is_postgresql(configured.url):
            from gateway.storage.opening import problem_with_server  # the stores, which nothing else here needs

            place, problem = problem_with_server(configured.url)
            yield DatabaseCheck(section=section, database=place, is_file=False, problem=problem)
        elif configured.file is not None:
            problem = ""
            try:
                examine(configured.file, kind)
            except UnusableFile as error:
                problem = str(error)
            yield DatabaseCheck(section=section, database=str(configured.file), is_file=True, problem=problem)
