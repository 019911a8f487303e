"""`[cluster]`: what it takes, and what it refuses in plain words."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gateway.config import Mistakes, load

SECRET = "0123456789abcdef0123456789abcdef"
WHOLE = f"""
[gateway]
state = "state"
[domains."rooms.test"]
serve = "component"
secret = "of the component, and long"
[cluster]
url = ["nats://127.0.0.1:4222", "tls://nats.test:4223"]
name = "example"
node = "a"
secret = "{SECRET}"
"""


def told(folder: Path, text: str) -> str:
    file = folder / "gateway.toml"
    file.write_text(text)
    with pytest.raises(Mistakes) as mistakes:
        load(file)
    return str(mistakes.value)


def test_a_whole_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(WHOLE)
    cluster = load(tmp_path / "gateway.toml").cluster
    assert cluster is not None
    assert (cluster.name, cluster.node, cluster.secret.text) == ("example", "a", SECRET)
    assert SECRET not in repr(cluster)


def test_a_node_is_named_after_its_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "gw1.example.com")
    (tmp_path / "gateway.toml").write_text(WHOLE.replace('node = "a"', ""))
    cluster = load(tmp_path / "gateway.toml").cluster
    assert cluster is not None
    assert cluster.node == "gw1"


def test_without_the_table_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(WHOLE.partition("[cluster]")[0])
    assert load(tmp_path / "gateway.toml").cluster is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (('node = "a"', 'node = "a.b"'), "cluster.node: 'a.b' is not a name"),
        (('name = "example"', 'name = "*"'), "cluster.name: '*' is not a name"),
        (("nats://127.0.0.1:4222", "127.0.0.1:4222"), "is not the URL of a NATS server, such as nats://127.0.0.1:4222"),
        (("nats://127.0.0.1:4222", "nats://me:word@127.0.0.1"), "must not contain a user name or password: use `user`"),
        (("nats://127.0.0.1:4222", "nats://[::1"), "'nats://[::1' is not the URL of a NATS server"),
        ((SECRET, "short"), "cluster.secret: is shorter than 32 characters"),
        (("[cluster]", "[cluster]\nuser = 'x'\ntoken = 'y'"), "cluster.token: is set, and so is user"),
        (("[cluster]", "[limits]\ncomponent_stanza_bytes = 1000000\n[cluster]"), "is too large for a cluster"),
        (("[cluster]", "[peers.any]\nstanza_bytes = 1000000\n[cluster]"), "is too large for a cluster"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, change: tuple[str, str], problem: str) -> None:
    assert problem in told(tmp_path, WHOLE.replace(*change))


@pytest.mark.parametrize("url", ["nats://me:hush@[::1", "http://me:hush@127.0.0.1", "tls://me:hush@host:x"])
def test_a_url_that_cannot_be_used_is_not_repeated_with_its_password(tmp_path: Path, url: str) -> None:
    problem = told(tmp_path, WHOLE.replace("nats://127.0.0.1:4222", url))
    assert "cluster.url" in problem
    assert "hush" not in problem


def test_the_names_of_cluster_and_node_fit_into_that_of_a_schema(tmp_path: Path) -> None:
    on_server = WHOLE + "[outbox]\nurl = 'postgresql://x@h/d'\n"
    (tmp_path / "gateway.toml").write_text(on_server)
    assert load(tmp_path / "gateway.toml").cluster is not None
    long = on_server.replace('node = "a"', f'node = "{"a" * 49}"')
    assert "cluster.node: and `name` have more than 55 characters together" in told(tmp_path, long)


ACCOUNTS = """
[domains."im.test"]
serve = "im"
[storage]
url = "postgresql://me@host/base"
"""
CLIENTS = WHOLE.replace("[cluster]", "[cluster]\nclients = 'a.im.test:5222'")


def test_accounts_need_a_server_and_an_address_for_clients(tmp_path: Path) -> None:
    (tmp_path / "gateway.toml").write_text(CLIENTS + ACCOUNTS)
    cluster = load(tmp_path / "gateway.toml").cluster
    assert cluster is not None
    assert cluster.clients == "a.im.test:5222"
    report = told(tmp_path, WHOLE + ACCOUNTS.partition("[storage]")[0])
    assert "storage.url: must name a PostgreSQL server" in report
    assert "cluster.clients: is needed with accounts" in report


@pytest.mark.parametrize("host", ["a b", "a:0", "me@a", "a/b", "a:b", "", "[::1"])
def test_an_address_for_clients_is_a_host(tmp_path: Path, host: str) -> None:
    text = CLIENTS.replace("a.im.test:5222", host) + ACCOUNTS
    assert "cluster.clients: " in told(tmp_path, text)


@pytest.mark.parametrize(
    ("key", "given"),
    [("privileges", 'roster = "get"'), ("delegations", "namespaces = { 'urn:xmpp:mam:2' = [] }")],
)
def test_what_components_do_for_accounts_of_several_nodes_is_refused(tmp_path: Path, key: str, given: str) -> None:
    report = told(tmp_path, CLIENTS + ACCOUNTS + f'[domains."rooms.test".{key}."im.test"]\n{given}\n')
    assert f'domains."rooms.test".{key}: cannot be used in a cluster with accounts yet' in report


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.config.cluster.find_spec", lambda name: None)
    assert "pip install 'xmpp-gateway[cluster]'" in told(tmp_path, WHOLE)
