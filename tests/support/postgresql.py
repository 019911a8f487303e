"""A PostgreSQL server of the tests' own: started once for a worker, with a schema for each test.

    server.emptied(NAME)   the URL of a schema with its tables, if it has been used, but no rows: quick
    server.url()           the URL of a new schema, with nothing in it
    server.restart()       as an operator would

It listens on a socket in its own folder, runs as a user without privileges, and needs nothing of the
distribution's cluster. A test that stops it starts it again.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from glob import glob
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg

from tests.interop.peers.process import STOP_SECONDS, NotInstalledError, Server

PROGRAMS = "/usr/lib/postgresql/*/bin"
USER = "gateway"
_EMPTY = """
DO $$ DECLARE each record; BEGIN
    FOR each IN SELECT tablename AS name FROM pg_tables
            WHERE schemaname = '{schema}' AND tablename <> 'xmpp_gateway_schema' LOOP
        EXECUTE format('DELETE FROM {schema}.%I', each.name);
    END LOOP;
    FOR each IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = '{schema}' LOOP
        EXECUTE format('ALTER SEQUENCE {schema}.%I RESTART', each.name);
    END LOOP;
END $$
"""
SECRETIVE = "secretive"  # a user who needs a password
PASSWORD = "s3cret-of-the-database"


class Postgresql(Server):
    """postgres, from Debian's package."""

    name = "postgresql"

    def __init__(self, *settings: str, fsync: bool = False, within: Path | None = None) -> None:
        """`settings` are given to the server; without fsync it is quick, and survives all but the machine."""
        super().__init__("local", Path(tempfile.mkdtemp(prefix="xg-pg-", dir=within)))
        self._settings = (*settings, f"fsync={'on' if fsync else 'off'}")
        self._numbers = count(1)
        self._admin: psycopg.Connection[Any] | None = None

    @classmethod
    def check_installed(cls) -> None:
        """Raise `NotInstalledError` unless the server is there."""
        if not glob(f"{PROGRAMS}/postgres"):
            raise NotInstalledError("postgresql is not installed: see tests/interop/install.sh")

    def command(self) -> list[str]:
        options = ("listen_addresses=", f"unix_socket_directories={self.folder}", "max_connections=60")
        more = [word for option in (*options, *self._settings) for word in ("-c", option)]
        return [*self._as_nobody("--pdeathsig", "KILL"), _program("postgres"), "-D", str(self._data), *more]

    def ports(self) -> tuple[int, ...]:
        return ()

    def ready(self) -> bool:
        try:
            psycopg.connect(self._connection("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def write_configuration(self) -> None:
        if self._data.exists():
            return
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        options = ("--auth=trust", f"--username={USER}", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
        self.run(*self._as_nobody(), _program("initdb"), "-D", self._data, *options)
        rules = self._data / "pg_hba.conf"
        rules.write_text(f"local all {SECRETIVE} scram-sha-256\n{rules.read_text()}")

    def start(self, timeout: float = 90) -> Postgresql:
        is_new = not self._data.exists()
        super().start(timeout)
        if is_new:
            with psycopg.connect(self._connection("postgres"), autocommit=True) as admin:
                admin.execute(f"CREATE DATABASE {USER}")
                admin.execute(f"CREATE ROLE {SECRETIVE} LOGIN PASSWORD '{PASSWORD}'")
        return self

    def stop(self, timeout: float = STOP_SECONDS) -> int:
        """Stop as `systemctl stop` does: sessions are ended, and nothing that was committed is lost."""
        if self._process is None:
            return 0
        self._forget_admin()
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """End the server at once; its children notice."""
        self._forget_admin()
        super().kill()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # -- what tests ask for -------------------------------------------------------------------------------------------

    def emptied(self, name: str) -> str:
        """The URL of a schema that tests share one after the other: its tables stay, and their rows go."""
        with self.admin() as admin:
            admin.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
            admin.execute(_EMPTY.format(schema=name))
        return self.url_of(name)

    def url(self) -> str:
        """The URL of a schema that is empty, and no other test's."""
        name = f"test_{next(self._numbers)}"
        with self.admin() as admin:
            admin.execute(f"CREATE SCHEMA {name}")
        return self.url_of(name)

    def url_of(self, schema: str, *, user: str = USER, password: str = "") -> str:
        login = f"{user}:{quote(password)}" if password else user
        options = f"&options={quote(f'-csearch_path={schema}')}"
        return f"postgresql://{login}@/{USER}?host={quote(str(self.folder))}{options}"

    @contextmanager
    def admin(self, url: str = "") -> Iterator[psycopg.Connection[Any]]:
        """A session beside those of the gateway."""
        if url:
            with psycopg.connect(url, autocommit=True) as connection:
                yield connection
            return
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self._connection(USER), autocommit=True)
        yield self._admin

    def end_sessions(self) -> int:
        """End every session but one's own, as an administrator would; returns how many there were."""
        with self.admin() as admin:
            rows = admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchall()
        return len(rows)

    def _forget_admin(self) -> None:
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _connection(self, database: str) -> str:
        return f"host={self.folder} user={USER} dbname={database}"

    def _as_nobody(self, *options: str) -> list[str]:
        """The command that gives up root's privileges, which the server does not want."""
        if os.geteuid() != 0:
            return ["setpriv", *options] if options else []
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *options]


def _program(name: str) -> str:
    found = glob(f"{PROGRAMS}/{name}")
    if not found:
        raise NotInstalledError("postgresql is not installed: see tests/interop/install.sh")
    return max(found, key=lambda path: int(Path(path).parts[-3]))
