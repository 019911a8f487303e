"""Every configuration that we show, in etc/ and in README.md, can be used as it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config import load
from gateway.config.advice import warnings
from gateway.config.settings import Settings, options_of
from gateway.demo import material
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder

ROOT = Path(__file__).parents[2]
ETC = ROOT / "etc"
DEMO = sorted(ETC.glob("demo*.toml"))
FILES = sorted(set(ETC.glob("*.toml")) - set(DEMO))
README = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A folder whose authority is the one that the system trusts."""
    folder = Folder(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return folder


def use(folder: Folder, text: str) -> Settings:
    """Load a configuration, with the files that it names."""
    for table in re.split(r"^(?=\[)", text, flags=re.MULTILINE):
        named = dict(re.findall(r'^(certificate|key|secret_file) *= *"(.+?)"', table, flags=re.MULTILINE))
        if certificate := named.get("certificate"):
            (domain,) = re.findall(r'\[domains\."(.+?)"\]', table)
            folder.certify(domain, file=certificate, key_file=named.get("key"))
        if secret := named.get("secret_file"):
            (folder.path / secret).write_text("a secret of the test\n")
    for authorities in re.findall(r'^authorities *= *"(.+?)"', text, flags=re.MULTILINE):
        folder.authority.save(folder.path / authorities)
    return load(folder.write(text))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_shipped_configuration_can_be_used(folder: Folder, file: Path) -> None:
    settings = use(folder, file.read_text())
    assert settings.domains
    assert list(settings.listen.opened())


@pytest.mark.parametrize("file", DEMO, ids=lambda file: file.name)
def test_configuration_of_the_demo_can_be_used(folder: Folder, file: Path) -> None:
    material.prepare(folder.path)
    settings = load(folder.write(file.read_text().replace("../state/demo/", "")))
    assert all("interface=127.0.0.1" in endpoint for _, endpoint in settings.listen.opened())
    assert warnings(settings, datetime.now(UTC), expat=(2, 6, 0)) == ()


@pytest.mark.parametrize("text", README, ids=lambda text: re.findall(r"serve = .*?(\\w+)\"|$", text)[0] or "peers")
def test_configuration_of_the_readme_can_be_used(folder: Folder, text: str) -> None:
    begun = '[gateway]\nstate = "state"\n[domains."im.test"]\nserve = "im"\n'
    settings = use(folder, text if "[gateway]" in text else f"{begun}{text}")
    assert settings.domains


def test_complete_example_shows_every_key(folder: Folder) -> None:
    text = (ETC / "gateway.toml").read_text()
    settings = use(folder, text)
    sections = (settings.gateway, settings.listen, settings.tls, settings.dns, settings.limits, settings.storage)
    for section in (*sections, settings.outbox, settings.log, settings.peers.any, *settings.domains.values()):
        for field, _ in options_of(type(section)):
            assert re.search(rf"^(# )?{field.name} *=", text, flags=re.MULTILINE), field.name


def test_complete_example_shows_the_defaults(folder: Folder) -> None:
    settings = use(folder, (ETC / "gateway.toml").read_text())
    for section in (settings.limits, settings.peers.any, settings.log, settings.dns, settings.tls):
        assert section == type(section)()


def test_other_domains_can_be_proved_to_the_relayed_server_of_the_example(folder: Folder) -> None:
    settings = use(folder, (ETC / "relay.toml").read_text())
    domain = settings.domains[Domain("inside.example.com")]
    assert domain.peer.require_tls is True  # type: ignore[attr-defined]
    assert domain.peer.authenticate == ("external", "dialback")  # type: ignore[attr-defined]
    assert not [warning for warning in warnings(settings, datetime.now(UTC)) if "inside.example.com" in warning]
