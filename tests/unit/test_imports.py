"""What a start imports: packages that only some gateways and commands need are imported where they are needed.

Each is a good part of the time until the ports are open, or until a command answers.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SERVICE = {"gateway.tap", "gateway.service"}
PAGE = ("prometheus_client", "wsgiref", "http.server", "gateway.operations.http.door", "gateway.operations.metrics")
WEB = ("twisted.web", "twisted.cred", "twisted.spread", "hyperlink", "xml.sax")
CLUSTER = ("gateway.cluster.node", "gateway.cluster.records", "gateway.net.engine", "gateway.run.assembly.cluster")
POSTGRESQL = ("psycopg", "gateway.run.assembly.takeover", "gateway.outbox.postgresql", "gateway.storage.postgresql")
CONFIGURATION = ("OpenSSL", "cryptography", "twisted.internet.endpoints", "gateway.outbox", "gateway.config.loading")


def imported_by(code: str) -> set[str]:
    """Return the modules of a new process after `code`, with the packages that they are in."""
    code = f"import sys\n{code}\nprint('modules:', *sys.modules)"
    environment = {name: each for name, each in os.environ.items() if not name.startswith("COVERAGE_")}  # has its own
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return set(ended.stdout.rpartition("modules:")[2].split())


def test_the_service_imports_no_page_no_web_client_and_no_cluster_until_they_are_configured() -> None:
    found = imported_by("import gateway.tap")
    assert found >= SERVICE
    assert found & {*PAGE, *WEB, *CLUSTER, *POSTGRESQL} == set()


@pytest.mark.parametrize("command", ["status", "explain"])
def test_a_command_that_asks_the_service_reads_no_configuration(command: str) -> None:
    found = imported_by(f"from gateway.commands import command_line\ncommand_line([{command!r}])")
    assert f"gateway.commands.{command}" in found
    assert found & {*CONFIGURATION, *PAGE, *WEB, *CLUSTER, *POSTGRESQL, "sqlite3"} == set()


def test_account_needs_a_store_but_reads_the_configuration_only_when_it_runs() -> None:
    found = imported_by("from gateway.commands import command_line\ncommand_line(['account'])")
    assert "gateway.storage.opening" in found
    assert found & {*CONFIGURATION, *PAGE, *WEB, *CLUSTER, *POSTGRESQL} == set()


def test_check_imports_what_looks_from_outside_only_to_look_from_outside() -> None:
    found = imported_by("from gateway.commands import command_line\ncommand_line(['check'])")
    assert "gateway.commands.check" in found
    assert found & {"gateway.inspection", "gateway.findings", *PAGE, *WEB, *CLUSTER, *POSTGRESQL} == set()
