"""What a domain lists in service discovery, and the addresses that it announces: from the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config import Mistakes, load
from gateway.config.settings import Settings
from gateway.run.assembly.serving import contacts_of, services_of
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder

SECRET = 'secret = "a secret of some length"'
ECHO = 'serve = "gateway.handlers.echo.Echo"'
CONFIGURATION = f"""
[domains."example.com"]
serve = "im"
items = {{ "upload.example.net" = "Files" }}
admins = ["mailto:xmpp@example.com"]
contacts = {{ abuse = ["mailto:abuse@example.com"], security = ["mailto:s@example.com", "https://example.com/s"] }}
[domains."bridge.example.com"]
serve = "component"
{SECRET}
name = "Bridge"
[domains."hidden.example.com"]
{ECHO}
listed = false
[domains."old.example.com"]
serve = "relay"
connect = "tcp:127.0.0.1:5269"
listed = true
name = "The old server"
[domains."inside.example.com"]
serve = "relay"
connect = "tcp:127.0.0.1:5269"
[domains."chat.example.org"]
{ECHO}
[domains."bot.example.org"]
{ECHO}
[domains."beneath.bot.example.org"]
{ECHO}
[domains."other.com"]
{ECHO}
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load(Folder(tmp_path).complete(CONFIGURATION))


@pytest.mark.parametrize(
    ("domain", "listed"),
    [
        (
            "example.com",
            {"bridge.example.com": "Bridge", "old.example.com": "The old server", "upload.example.net": "Files"},
        ),
        ("bridge.example.com", {}),
        ("chat.example.org", {"bot.example.org": ""}),
        ("bot.example.org", {"chat.example.org": "", "beneath.bot.example.org": ""}),
        ("other.com", {}),
    ],
)
def test_a_domain_lists_what_is_below_and_beside_it(settings: Settings, domain: str, listed: dict[str, str]) -> None:
    assert services_of(settings, Domain(domain)) == listed


def test_addresses_of_every_kind_are_announced(settings: Settings) -> None:
    assert contacts_of(settings.domains[Domain("example.com")]) == {
        "admin": ("mailto:xmpp@example.com",),
        "abuse": ["mailto:abuse@example.com"],
        "security": ["mailto:s@example.com", "https://example.com/s"],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('contacts = { abusing = ["mailto:a@example.com"] }', "did you mean 'abuse'"),
        ('contacts = { abuse = "mailto:a@example.com" }', "put it in brackets"),
        ('contacts = { abuse = ["a@example.com"] }', "is not a URI"),
        ('items = { "@" = "Nobody" }', "items"),
        ('items = { "a.example.com" = 1 }', "a name is needed"),
        ('listed = "yes"', "listed"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(Mistakes) as report:
        load(Folder(tmp_path).complete(f'[domains."example.com"]\nserve = "im"\n{text}\n'))
    assert problem in str(report.value)
