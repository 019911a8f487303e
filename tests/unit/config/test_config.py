"""The configuration file: what it means, and every mistake by its key, its problem and its line."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from zope.interface import implementer, provider

from gateway.config import Mistakes, load
from gateway.config.reading import line_numbers
from gateway.config.settings import (
    FILLING_SECONDS,
    ComponentDomain,
    HandlerDomain,
    ImDomain,
    Limits,
    OutboxSettings,
    PeerEntries,
    PeerSettings,
    RelayDomain,
    Secret,
    Settings,
    StorageSettings,
    Validating,
)
from gateway.handlers.echo import Echo
from gateway.routing.interfaces import Answer, Declined, ICheckedOptions, ILocalHandler, IService
from gateway.storage.files import open_file
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import Stanza
from tests.support.configuration import Folder


@implementer(ILocalHandler)
class Greeter:
    """A handler of an operator's own."""

    def __init__(self, *, greeting: str, times: int = 1) -> None:
        self.greeting = greeting * times

    def handle(self, stanza: Stanza) -> Answer:
        return Declined()


class NoHandler:
    """A class that handles nothing."""


@implementer(ILocalHandler)
class Unfinished:
    """A handler that does not handle anything yet."""


@implementer(ILocalHandler)
class Deaf:
    """A handler whose method has no argument."""

    def handle(self) -> Answer:
        return Declined()


@implementer(IService)
class Endless(Greeter):
    """A service that does not say how it ends."""

    def start(self, context: Any) -> None:
        """Begin."""


@provider(ICheckedOptions)
class Careful(Greeter):
    """A handler with a file and a secret, which knows what a greeting is."""

    def __init__(self, greeting: str = "hello", *, book: Path | None = None, token: Secret | None = None) -> None:
        super().__init__(greeting=greeting)
        self.book = book
        self.token = token

    @staticmethod
    def mistakes(greeting: str = "hello", **_: Any) -> list[tuple[str, str]]:
        return [] if greeting.startswith("h") else [("greeting", "is not a greeting")]


HERE = f"{__name__}"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.certify("im.test")
    folder.certify("other.test")
    folder.certify("split.test", file="split.pem", key_file="split.key")
    (tmp_path / "secret").write_text("from a file\n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "long").write_text(4097 * "s")
    (tmp_path / "latin-1").write_bytes(b"caf\xe9")
    return folder


def mistakes(file: Path) -> list[tuple[str, str]]:
    with pytest.raises(Mistakes) as caught:
        load(file)
    return [(mistake.key, mistake.problem) for mistake in caught.value.mistakes]


class Case(NamedTuple):
    key: str
    problem: str
    text: str


IM = '[domains."im.test"]\nserve = "im"\n'
COMPONENT = '[domains."c.test"]\nserve = "component"\n'
RELAY = '[domains."r.test"]\nserve = "relay"\nconnect = "tcp:127.0.0.1:5269"\n'
GREETER = f'[domains."g.test"]\nserve = "{HERE}.Greeter"\n'
CAREFUL = f'[domains."g.test"]\nserve = "{HERE}.Careful"\n'

MISTAKES = [
    # Keys and types
    Case("gatway", "no such table: did you mean 'gateway'?", "[gatway]"),
    Case("filters", "no such table: did you mean 'filter'?", "[[filters]]"),
    Case("zzz", "no such table: there are gateway, listen, tls, domains,", "[zzz]"),
    Case("state", "this key is in no table: put it below the header of its table, such as [gateway]", "state = 'x'"),
    Case('domains."im.test".privilege', "no such table", f'{IM}[domains."im.test".privilege]'),
    Case("limits.depht", "did you mean 'depth'?", "[limits]\ndepht = 5"),
    Case("limits.zzz", "no such key", "[limits]\nzzz = 5"),
    Case("limits", "a table is needed, not 5", "limits = 5"),
    Case("limits.depth", "a whole number is needed, not '7'", "[limits]\ndepth = '7'"),
    Case("limits.depth", "a whole number is needed, not True", "[limits]\ndepth = true"),
    Case("limits.depth", "a whole number is needed, not 20.0", "[limits]\ndepth = 20.0"),
    Case("limits.depth", "1 is too small: at least 10", "[limits]\ndepth = 1"),
    Case("limits.negotiate_seconds", "a number is needed, not nan", "[limits]\nnegotiate_seconds = nan"),
    Case("limits.negotiate_seconds", "0 is too small: at least 1 second", "[limits]\nnegotiate_seconds = 0"),
    Case("peers.any.allow", "true or false is needed, not 'yes'", "[peers.any]\nallow = 'yes'"),
    Case("peers.any.stanza_bytes", "at least 10000 bytes", "[peers.any]\nstanza_bytes = 9999"),
    Case("log.level", "did you mean 'warn'?", "[log]\nlevel = 'warning'"),
    Case("log.format", "'xml' is not one of 'text', 'json'", "[log]\nformat = 'xml'"),
    Case("gateway.state", "is empty", "[gateway]\nstate = ''"),
    Case("gateway.state", "ca.pem is not a folder", "[gateway]\nstate = 'ca.pem'"),
    Case("gateway.state", "is needed: folder for secrets", "[gateway]"),
    Case(
        "storage.url",
        "not one of 'sqlite:FILE', 'postgresql://USER@HOST/DATABASE' and 'memory:'",
        "[storage]\nurl = 'postgres:gateway'",
    ),
    Case(
        "storage.url",
        "not one of 'sqlite:FILE', 'postgresql://USER@HOST/DATABASE' and 'memory:'",
        "[storage]\nurl = 'sqlite:'",
    ),
    Case(
        "outbox.url",
        "not one of 'sqlite:FILE', 'postgresql://USER@HOST/DATABASE' and 'memory:'",
        "[outbox]\nurl = 'outbox.db'",
    ),
    Case("outbox.url", "is already used by storage.url", "[outbox]\nurl = 'sqlite:gateway.db'"),
    Case("outbox.bytes", "at least 1048576 bytes", "[outbox]\nbytes = 1000"),
    Case("outbox.key_file", "make a key with: (umask 077; head -c 32", "[outbox]\nkey_file = 'outbox.key'"),
    Case("outbox.key_file", "but a key has 32", "[outbox]\nkey_file = 'secret'"),
    Case("outbox.key_file", "has more bytes, but a key has 32", "[outbox]\nkey_file = 'long'"),
    Case("outbox.key_file", "Is a directory", "[outbox]\nkey_file = '.'"),
    Case("peers.any.keep", "'some' is not one of 'no', 'waiting', 'all'", "[peers.any]\nkeep = 'some'"),
    Case("peers.any.keep_hours", "0 is too small: at least 0.01 hours", "[peers.any]\nkeep_hours = 0"),
    # Doors
    Case("peers.any.queue_stanzas", "0 is too small: at least 1 stanza", "[peers.any]\nqueue_stanzas = 0"),
    Case("tls.minimum", "'1.1' is not one of '1.2', '1.3'", "[tls]\nminimum = '1.1'"),
    Case("tls.crls", "there is no revocation list in", "[tls]\nauthorities = 'ca.pem'\ncrls = 'none.pem'"),
    Case("tls.crls", "there is no revocation list in", "[tls]\nauthorities = 'ca.pem'\ncrls = 'ca.pem'"),
    Case("gateway.state", "contains a null character", "[gateway]\nstate = 'a\\u0000b'".replace("'", '"')),
    Case("gateway.state", "the path is too long", f"[gateway]\nstate = '{300 * 's'}'"),
    Case("listen.sever", "did you mean 'server'?", "[listen]\nsever = ['tcp:5269']"),
    Case("listen.server", "a list is needed, not 'tcp:5269'", "[listen]\nserver = 'tcp:5269'"),
    Case("listen.server", "a string is needed, not 5269", "[listen]\nserver = [5269]"),
    Case("listen.server", "Unknown endpoint type: '5269'", "[listen]\nserver = ['5269']"),
    Case("listen.server", "unexpected keyword argument 'interfce'", "[listen]\nserver = ['tcp:5269:interfce=::1']"),
    Case("listen.server", "invalid literal for int()", "[listen]\nserver = ['tcp:xmpp']"),
    Case("listen.server", "no usable port", "[listen]\nserver = ['tcp:65536']"),
    Case("listen.server", "no usable port", "[listen]\nserver = ['tcp:port=-1:interface=127.0.0.1']"),
    Case("listen.server_tls", "includes TLS", "[listen]\nserver_tls = ['ssl:5270']"),
    Case("listen.server", "'tcp:1' is listed twice", "[listen]\nserver = ['tcp:1', 'tcp:1']"),
    Case("listen.client", "is already used by listen.server", "[listen]\nserver = ['tcp:1']\nclient = ['tcp:1']"),
    # TLS
    Case("tls.minimum", "'1.1' is not one of '1.2', '1.3'", "[tls]\nauthorities = 'ca.pem'\nminimum = '1.1'"),
    Case("tls.ciphers", "NONSENSE", "[tls]\nauthorities = 'ca.pem'\nciphers = 'NONSENSE'"),
    Case("tls.authorities", "No such file or directory", "[tls]\nauthorities = 'nowhere.pem'"),
    Case("tls.authorities", "no certificate of an authority in", "[tls]\nauthorities = 'secret'"),
    # Domains
    Case("domains", "nothing would be served", "[domains]"),
    Case('domains."?"', "'?' is not a label", "[domains.'?']\nserve = 'im'"),
    Case('domains."IM.test."', 'names the same domain as domains."im.test"', f'{IM}[domains."IM.test."]\nserve = "im"'),
    Case("domains.im", 'write [domains."im.a.test"]', '[domains.im.a.test]\nserve = "im"'),
    Case('domains."im.test"', "a table is needed, not 'im'", '[domains]\n"im.test" = "im"'),
    Case('domains."im.test".serve', "is needed", '[domains."im.test"]'),
    Case('domains."im.test".serve', "did you mean 'relay'?", '[domains."im.test"]\nserve = "relya"'),
    Case('domains."im.test".serve', "5 is not one of", '[domains."im.test"]\nserve = 5'),
    Case('domains."im.test".secret', "no such key", f'{IM}secret = "s"'),
    Case('domains."im.test".admins', "'bob' is not a URI", f'{IM}admins = ["bob"]'),
    # Certificates
    Case('domains."im.test".certificate', "No such file or directory", f'{IM}certificate = "no.pem"'),
    Case('domains."im.test".certificate', "is for other.test", f'{IM}certificate = "other.test.pem"'),
    Case('domains."im.test".certificate', "holds no certificate", f'{IM}certificate = "secret"'),
    Case('domains."im.test".key', "no private key", f'{IM}certificate = "ca.pem"'),
    Case('domains."im.test".key', "does not belong", f'{IM}certificate = "im.test.pem"\nkey = "other.test.pem"'),
    Case('domains."im.test".key', "there is no certificate for this key", f'{IM}key = "im.test.pem"'),
    # Components
    Case('domains."c.test".secret', "is needed, or secret_file", COMPONENT),
    Case('domains."c.test".secret', "is empty", f'{COMPONENT}secret = ""'),
    Case('domains."c.test".secret', "put it in quotes", f"{COMPONENT}secret = 12345"),
    Case(
        'domains."c.test".secret_file', "is set as well: remove one", f'{COMPONENT}secret = "s"\nsecret_file = "secret"'
    ),
    Case('domains."c.test".secret_file', "No such file or directory", f'{COMPONENT}secret_file = "no"'),
    Case('domains."c.test".secret_file', "is empty", f'{COMPONENT}secret_file = "empty"'),
    Case('domains."c.test".secret_file', "a string is needed", f"{COMPONENT}secret_file = 5"),
    Case('domains."c.test".secret_file', "long is longer than 4096 bytes", f'{COMPONENT}secret_file = "long"'),
    Case('domains."c.test".secret_file', "latin-1 is not UTF-8 text", f'{COMPONENT}secret_file = "latin-1"'),
    # Handlers
    Case('domains."g.test".serve', "does not name an object", GREETER.replace(HERE, "nowhere_to_be_found")),
    Case('domains."g.test".serve', "AttributeError", GREETER.replace("Greeter", "Nobody")),
    Case('domains."g.test".serve', "is not a handler factory", GREETER.replace("Greeter", "NoHandler")),
    Case('domains."g.test".serve', "is not a handler factory", GREETER.replace("Greeter", "HERE")),
    Case(
        'domains."g.test".serve',
        "is not a complete ILocalHandler: it has no handle(stanza)",
        GREETER.replace("Greeter", "Unfinished"),
    ),
    Case(
        'domains."g.test".serve',
        "its handle() implementation doesn't allow enough arguments",
        GREETER.replace("Greeter", "Deaf"),
    ),
    Case(
        'domains."g.test".serve', "is not a complete IService: it has no stop()", GREETER.replace("Greeter", "Endless")
    ),
    Case('domains."g.test".serve', "'ecko' is not one of 'im', 'component'", '[domains."g.test"]\nserve = "ecko"'),
    Case('domains."g.test".serve', "did you mean 'echo'?", '[domains."g.test"]\nserve = "ecko"'),
    Case('domains."g.test".options.greeting', "is not a greeting", f'{CAREFUL}options = {{ greeting = "bye" }}'),
    Case('domains."g.test".options.book', "a string is needed", f"{CAREFUL}options = {{ book = 5 }}"),
    Case('domains."g.test".options.token', "a string is needed", f"{CAREFUL}options = {{ token = 5 }}"),
    Case('domains."g.test".options.token_file', "No such file", f'{CAREFUL}options = {{ token_file = "no" }}'),
    Case(
        'domains."g.test".options.token_file',
        "token is set as well",
        f'{CAREFUL}options = {{ token = "a", token_file = "secret" }}',
    ),
    Case(
        'domains."w.test".options.handlers',
        "number 1: nothing.here.Handler cannot be imported: the package nothing is not installed",
        '[domains."w.test"]\nserve = "gateway.handlers.subprotocols.Subprotocols"\n'
        'options = { handlers = ["nothing.here.Handler"] }',
    ),
    Case('domains."g.test".options', "missing a required argument: 'greeting'", GREETER),
    Case('domains."g.test".options', "unexpected keyword", f'{GREETER}options = {{ greeting = "a", at = "b" }}'),
    Case('domains."g.test".options', "a table is needed", f'{GREETER}options = "hello"'),
    # Relay
    Case('domains."r.test".connect', "is needed: the endpoint", '[domains."r.test"]\nserve = "relay"'),
    Case('domains."r.test".connect', "not of the form", RELAY.replace("tcp:", "udp:")),
    Case('domains."r.test".allow', "no such key", f"{RELAY}allow = true"),
    Case('domains."r.test".requires_tls', "did you mean 'require_tls'?", f"{RELAY}requires_tls = true"),
    Case('domains."r.test".authenticate', "did you mean 'dialback'?", f'{RELAY}authenticate = ["dailback"]'),
    # Peers
    Case("peers.any.authenticate", "'plain' is not one of", "[peers.any]\nauthenticate = ['plain']"),
    Case("peers.any.require", "is not among the means", "[peers.any]\nauthenticate = ['external']\nrequire = 'dane'"),
    Case("peers.any.require", "'dialback' is not one of", "[peers.any]\nrequire = 'dialback'"),
    Case("peers.any.pin", "would refuse all other domains", f"[peers.any]\npin = ['sha256:{'ab' * 32}']"),
    Case('peers."p.test".pin', "is not the digest of a key", "[peers.'p.test']\npin = ['sha256:abcd']"),
    Case("dns.validating", "is not one of 'auto', true and false", "[dns]\nvalidating = 'maybe'"),
    Case("peers.any.authenticate", "is empty", "[peers.any]\nauthenticate = []"),
    Case("peers.any.authenticate", "needs digest_md5_secret", "[peers.any]\nauthenticate = ['digest-md5']"),
    Case("peers.any.digest_md5_secret", "shared with one domain", "[peers.any]\ndigest_md5_secret = 's'"),
    Case('peers."a.test".digest_md5_secret', "is never used", '[peers."a.test"]\ndigest_md5_secret = "s"'),
    Case('peers."*.a..test"', "a label is empty", '[peers."*.a..test"]'),
    Case('peers."A.test"', 'names the same domains as peers."a.test"', '[peers."a.test"]\n[peers."A.test"]'),
    Case("peers.a", 'write [peers."a.test"]', "[peers.a.test]\nallow = false"),
    Case('peers."a.test".connect', "no usable port", '[peers."a.test"]\nconnect = "tcp:127.0.0.1:0"'),
    Case("dns.refuse_networks", "'10.0.0.1/8' is not a network", "[dns]\nrefuse_networks = ['10.0.0.1/8']"),
    Case("dns.nameservers", "is not a nameserver", "[dns]\nnameservers = ['localhost']"),
]


@pytest.mark.parametrize("case", MISTAKES, ids=lambda case: f"{case.key}-{case.problem[:24]}")
def test_mistake_is_named_by_its_key(folder: Folder, case: Case) -> None:
    found = mistakes(folder.complete(case.text))
    assert [key for key, _ in found] == [case.key]
    assert case.problem in found[0][1]


def test_all_mistakes_are_reported_at_once_with_their_lines(folder: Folder) -> None:
    file = folder.write(
        """
[gateway]
state = "state"
[tls]
authorities = "ca.pem"

[domains."Bad.test"]
serve = "im"
certificate = "no.pem"     # line 9
[peers.any]
allow = 1                  # line 11
[limits]
depht = 7                  # line 13
"""
    )
    with pytest.raises(Mistakes) as caught:
        load(file)
    assert [(mistake.line, mistake.key) for mistake in caught.value.mistakes] == [
        (9, 'domains."Bad.test".certificate'),
        (11, "peers.any.allow"),
        (13, "limits.depht"),
    ]
    report = str(caught.value).splitlines()
    assert report[1] == f"{file}:11: peers.any.allow: true or false is needed, not 1"
    assert report[-1] == "3 mistakes"


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ('domains."no domain"', ["", ".admins", ".certificate"]),
        ('domains."IM.test"', ["", ".admins", ".certificate"]),
        ('peers."no domain"', ["", ".require_tls"]),
        ('peers."*.no domain"', ["", ".require_tls"]),
    ],
)
def test_a_wrong_name_hides_no_other_mistake_of_its_table(folder: Folder, name: str, keys: list[str]) -> None:
    text = (
        'require_tls = "no"' if name.startswith("peers") else 'serve = "im"\nadmins = ["bob"]\ncertificate = "no.pem"'
    )
    found = mistakes(folder.complete(f"{IM}[{name}]\n{text}"))
    assert [key for key, _ in found] == [f"{name}{key}" for key in keys]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"these are notes", "is not a database"),
        (b"SQLite format 3\0" + bytes(52) + b"\0\0\0\1" + bytes(28), "is a database of another program's"),
        (None, "Is a directory"),
    ],
)
def test_what_is_no_database_of_ours_is_a_mistake(folder: Folder, content: bytes | None, problem: str) -> None:
    if content is None:
        (folder.path / "notes").mkdir()
    else:
        (folder.path / "notes").write_bytes(content)
    ((key, told),) = mistakes(folder.complete(f'[storage]\nurl = "sqlite:{folder.path / "notes"}"'))
    assert key == "storage.url"
    assert problem in told


def test_a_database_of_ours_is_none(folder: Folder) -> None:
    open_file(folder.path / "ours.db").close()
    (folder.path / "empty.db").touch()
    for name in ("ours.db", "empty.db"):
        load(folder.complete(f'[storage]\nurl = "sqlite:{folder.path / name}"'))


def test_database_of_accounts_is_no_outbox(folder: Folder) -> None:
    open_file(folder.path / "ours.db").close()
    ((key, told),) = mistakes(folder.complete(f'[outbox]\nurl = "sqlite:{folder.path / "ours.db"}"'))
    assert key == "outbox.url"
    assert "is a database of another kind" in told


def test_outbox_and_what_is_kept_for_whom(folder: Folder) -> None:
    (folder.path / "outbox.key").write_bytes(bytes(range(32)))
    text = f"""{COMPONENT}secret = "a secret of some length"
keep = "all"
{RELAY}keep_hours = 0.5
[peers.any]
keep = "no"
[outbox]
key_file = "outbox.key"
"""
    settings = load(folder.complete(text))
    assert settings.outbox == OutboxSettings(
        key_file=folder.path / "outbox.key", file=settings.gateway.state / "outbox.db"
    )
    component, relay = settings.domains.values()
    assert isinstance(component, ComponentDomain)
    assert isinstance(relay, RelayDomain)
    assert (component.keep, component.keep_hours) == ("all", 24)
    assert (relay.peer.keep, relay.peer.keep_hours) == ("no", 0.5)


def test_paths_are_shown_without_detours(folder: Folder) -> None:
    (folder.path / "etc").mkdir()
    text = folder.complete('[gateway]\nstate = "../state"').read_text().replace('"ca.pem"', '"../ca.pem"')
    settings = load(folder.write(text, "etc/gateway.toml"))
    assert settings.gateway.state == folder.path / "state"
    assert settings.tls.authorities == folder.path / "ca.pem"


@pytest.mark.parametrize("serve", ['""', '"relya"', '"nowhere.Nobody"', "5"])
def test_who_knows_not_how_to_serve_tells_the_other_mistakes_all_the_same(folder: Folder, serve: str) -> None:
    text = f'[domains."x.test"]\nserve = {serve}\nadmins = ["bob"]\ncertificate = "no.pem"'
    assert [key for key, _ in mistakes(folder.complete(text))] == [
        'domains."x.test".serve',
        'domains."x.test".admins',
        'domains."x.test".certificate',
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[gateway\n", "is not valid TOML: "),
        (b"state = '\xff'\n", "is not UTF-8"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_unreadable_file_is_the_only_mistake(tmp_path: Path, content: bytes | None, problem: str) -> None:
    file = tmp_path / "gateway.toml"
    if content is not None:
        file.write_bytes(content)
    ((key, told),) = mistakes(file)
    assert key == ""
    assert told.startswith(problem)


def test_defaults(folder: Folder) -> None:
    settings = load(folder.complete(""))
    assert settings.gateway.state == folder.path / "state"
    assert settings.storage.file == folder.path / "state" / "gateway.db"
    assert list(settings.listen.opened()) == []
    assert settings.peers.any == PeerSettings()
    assert settings.dns.nameservers is None
    assert not settings.gateway.state.exists(), "reading a configuration changes nothing"


def test_settings_are_frozen(folder: Folder) -> None:
    settings = load(folder.complete(""))
    with pytest.raises(FrozenInstanceError):
        settings.log.level = "debug"  # type: ignore[misc]
    with pytest.raises(TypeError):
        settings.domains[Domain("new.test")] = settings.domains[Domain("im.test")]  # type: ignore[index]


def test_domains_are_prepared_and_keep_their_order(folder: Folder) -> None:
    text = f'[domains."Zett.test."]\nserve = "im"\n{IM}[domains."xn--bcher-kva.test"]\nserve = "im"\n'
    assert list(load(folder.complete(text)).domains) == ["zett.test", "im.test", "bücher.test"]


def test_each_way_to_serve_has_its_settings(folder: Folder) -> None:
    text = "\n".join(
        [
            f'{IM}certificate = "im.test.pem"\nadmins = ["mailto:a@im.test", "xmpp:b@im.test"]',
            f'{COMPONENT}secret_file = "secret"',
            f'{GREETER}options = {{ greeting = "hello", times = 2 }}',
            f'{RELAY}require_tls = false\nauthenticate = ["dialback"]',
            '[domains."split.test"]\nserve = "im"\ncertificate = "split.pem"\nkey = "split.key"',
            "[peers.any]\nidle_seconds = 60",
        ]
    )
    im, component, handler, relay, split = load(folder.complete(text)).domains.values()
    assert isinstance(im, ImDomain)
    assert im.certificate == folder.path / "im.test.pem"
    assert im.admins == ("mailto:a@im.test", "xmpp:b@im.test")
    assert isinstance(component, ComponentDomain)
    assert component.secret.text == "from a file"
    assert isinstance(handler, HandlerDomain)
    assert handler.factory(**handler.options).greeting == "hellohello"
    assert isinstance(relay, RelayDomain)
    assert relay.peer == PeerSettings(
        connect="tcp:127.0.0.1:5269",  # type: ignore[arg-type]
        require_tls=False,
        authenticate=("dialback",),
        idle_seconds=60,
    )
    assert split.key == folder.path / "split.key"


@pytest.mark.parametrize(
    ("written", "expected"), [("true", Validating.YES), ("false", Validating.NO), ('"auto"', Validating.AUTO)]
)
def test_whether_nameservers_are_believed(folder: Folder, written: str, expected: Validating) -> None:
    assert load(folder.complete(f"[dns]\nvalidating = {written}")).dns.validating is expected


def test_options_are_read_as_the_factory_declares_them(folder: Folder) -> None:
    text = f'{CAREFUL}options = {{ book = "lists/names", token_file = "secret" }}'
    domain = load(folder.complete(text)).domains[Domain("g.test")]
    assert isinstance(domain, HandlerDomain)
    assert domain.options["book"] == folder.path / "lists" / "names"
    assert domain.options["token"].text == "from a file"


def installed(path: Path, package: str, *services: str) -> None:
    """Put what an installer leaves of a package with these services into a folder of the import path."""
    about = path / f"{package}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    points = "".join(f"{name} = {HERE}:Greeter\n" for name in services)
    (about / "entry_points.txt").write_text(f"[xmpp_gateway.services]\n{points}")


def test_the_entry_point_of_an_installed_package_is_a_service(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(folder.path, "greeting", "greeter", "echo")
    monkeypatch.syspath_prepend(str(folder.path))
    text = '[domains."g.test"]\nserve = "greeter"\noptions = {greeting = "Hi"}\n[domains."e.test"]\nserve = "echo"\n'
    greeter, echo = load(folder.complete(text)).domains.values()
    assert isinstance(greeter, HandlerDomain)
    assert greeter.factory(**greeter.options).greeting == "Hi"
    assert isinstance(echo, HandlerDomain)
    assert echo.factory is Echo  # a package cannot take the name of one of our services


def test_two_packages_with_one_service_are_both_named(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(folder.path, "greeting", "greeter")
    installed(folder.path, "welcome", "greeter")
    monkeypatch.syspath_prepend(str(folder.path))
    told = str(mistakes(folder.complete('[domains."g.test"]\nserve = "greeter"')))
    assert "greeting and welcome both have a service of that name" in told


def test_who_takes_nothing_is_cut_off_by_us_before_the_system_does_it() -> None:
    assert Limits(stall_seconds=2).silence_seconds == 2 + FILLING_SECONDS


def test_secrets_are_in_no_repr(folder: Folder) -> None:
    text = f"""{COMPONENT}secret = "hush-hush"
[peers."old.test"]
authenticate = ["digest-md5"]
digest_md5_secret = "silence"
{CAREFUL}options = {{ greeting = "hello password" }}
"""
    settings = load(folder.complete(text))
    assert "password" not in repr(settings)
    assert settings.peers.for_domain(Domain("old.test")).digest_md5_secret == Secret("silence")
    assert "hush" not in repr(settings)
    assert "silence" not in repr(settings)


def test_secret_with_a_mistake_is_not_told(folder: Folder) -> None:
    told = mistakes(folder.complete(f"{COMPONENT}secret = 8642"))
    assert "8642" not in str(told)


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:5269",
        "tcp:port=0:interface=127.0.0.1",
        "tcp:5269:interface=\\:\\:1",
        "tcp6:5269",
        "unix:/run/gateway.sock:mode=660",
        "systemd:domain=INET:index=0",
        "systemd:INET6:name=server",
        "haproxy:tcp:5269",
    ],
)
def test_doors_are_endpoints_of_twisted(folder: Folder, endpoint: str) -> None:
    settings = load(folder.complete(f"[listen]\nserver = ['{endpoint}']"))
    assert list(settings.listen.opened()) == [("server", endpoint)]


@pytest.mark.parametrize(
    ("url", "in_memory"), [("memory:", True), ("sqlite:x.db", False), ("sqlite:/srv/gateway/x.db", False)]
)
def test_storage(folder: Folder, url: str, in_memory: bool) -> None:
    storage = load(folder.complete(f'[storage]\nurl = "{url}"')).storage
    expected = None if in_memory else folder.path / "state" / url.removeprefix("sqlite:")
    assert storage == StorageSettings(url=url, file=expected)
    assert storage.in_memory is in_memory


def test_storage_on_a_server_is_shown_without_its_password(folder: Folder) -> None:
    url = "postgresql://gateway:s3cret@db.example.com/xmpp"
    settings = load(folder.complete(f'[storage]\nurl = "{url}"'))
    assert settings.storage == StorageSettings(url=url)
    assert not settings.storage.in_memory
    assert "s3cret" not in repr(settings)


def test_url_of_a_server_that_cannot_be_read_is_not_repeated(folder: Folder) -> None:
    ((key, told),) = mistakes(folder.complete('[storage]\nurl = "postgresql://gateway:s3%cret@db/xmpp"'))
    assert key == "storage.url"
    assert "libpq cannot read this URL" in told
    assert "cret" not in told


PEERS: dict[str, dict[str, Any]] = {
    "any": {"idle_seconds": 1, "require_tls": False},
    "b.example": {"allow": False},
    "*.example": {"idle_seconds": 2},
    "*.b.example": {"connect_seconds": 3},
    "a.b.example": {"idle_seconds": 4},
}


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("elsewhere", PeerSettings(require_tls=False, idle_seconds=1)),
        ("example", PeerSettings(require_tls=False, idle_seconds=1)),
        ("x.example", PeerSettings(require_tls=False, idle_seconds=2)),
        ("b.example", PeerSettings(require_tls=False, idle_seconds=2, allow=False)),
        ("x.b.example", PeerSettings(require_tls=False, idle_seconds=2, connect_seconds=3)),
        ("y.x.b.example", PeerSettings(require_tls=False, idle_seconds=2, connect_seconds=3)),
        ("a.b.example", PeerSettings(require_tls=False, idle_seconds=4, connect_seconds=3)),
        ("[2001:db8::1]", PeerSettings(require_tls=False, idle_seconds=1)),
    ],
)
def test_exact_name_beats_longest_suffix_beats_any(domain: str, expected: PeerSettings) -> None:
    assert PeerEntries.inherit(PEERS).for_domain(Domain(domain)) == expected


def test_the_origin_of_each_key_of_a_peer_is_known() -> None:
    given = {
        "any": {"stanza_bytes": 20000, "keep": "all"},
        "*.example": {"stanza_bytes": 30000, "require_tls": False},
        "a.example": {"require_tls": True},
    }
    rules = PeerEntries.inherit(given)
    keys = ("stanza_bytes", "keep", "require_tls", "allow")
    assert [rules.origins(Domain("a.example"))[key] for key in keys] == ["*.example", "any", "a.example", "default"]
    assert [rules.origins(Domain("b.example"))[key] for key in keys] == ["*.example", "any", "*.example", "default"]
    assert [rules.origins(Domain("c.test"))[key] for key in keys] == ["any", "any", "default", "default"]


def test_peers_are_prepared(folder: Folder) -> None:
    peers = load(folder.complete('[peers."*.Spam.TEST."]\nallow = false')).peers
    assert not peers.for_domain(Domain("a.spam.test")).allow
    assert peers.for_domain(Domain("spam.test")).allow


def test_lines_of_keys_however_they_are_written() -> None:
    text = """a.b = 1
[ x . "y.z" ]   # a comment
"k e y" = 2
list = [
  "looks = like",
]
inline = { deep = 1 }
'single' = 3
"""
    assert line_numbers(text) == {
        ("a",): 1,
        ("a", "b"): 1,
        ("x",): 2,
        ("x", "y.z"): 2,
        ("x", "y.z", "k e y"): 3,
        ("x", "y.z", "list"): 4,
        ("x", "y.z", "inline"): 7,
        ("x", "y.z", "single"): 8,
    }


def test_text_that_looks_like_tables_and_keys_has_no_lines() -> None:
    text = '''a = """
[[no end]
[not one] table]
"""
[[filter]]
name = """
two lines"""
then = "drop"
'''
    assert line_numbers(text) == {("a",): 1, ("filter",): 5, ("filter", "#1"): 5, ("filter", "#1", "name"): 6} | {
        ("filter", "#1", "then"): 8
    }


def test_everything_of_the_settings_is_described(folder: Folder) -> None:
    settings: Settings = load(folder.complete(""))
    for section in (settings.gateway, settings.listen, settings.tls, settings.limits, settings.log, settings.peers.any):
        for field in type(section).__dataclass_fields__.values():
            assert field.metadata["option"].description
