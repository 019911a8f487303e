"""Warnings: settings that are valid and still worth knowing about; `check` shows them, and the service logs them."""

from __future__ import annotations

import os
import pyexpat
import re
import stat
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from gateway.config.domains import certificates_of
from gateway.config.settings import ComponentDomain, ImDomain, RelayDomain, Settings
from gateway.net.certificates.own_certificates import Identity, load_identities
from gateway.net.certificates.trust_store import TrustStore, name_of
from gateway.net.tls.contexts import unknown_ciphers
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError

OLDEST_EXPAT = (2, 6, 0)
SHORTEST_SECRET = 16
SECRET_FILES = ("dialback.secret", "logins.secret")  # in the state folder

_LOOPBACK = re.compile(r"interface=(127\.|\[?(\\?:)+1\b|localhost)|^(unix|systemd):")


def warnings(
    settings: Settings, moment: datetime, *, expat: tuple[int, int, int] = pyexpat.version_info
) -> tuple[str, ...]:
    """Return one sentence for each thing that the operator should look at."""
    return tuple(
        dict.fromkeys(
            (
                *_about_doors(settings),
                *_about_certificates(settings, moment),
                *_about_secrets(settings),
                *_about_state(settings.gateway.state),
                *_about_outbox(settings),
                *_about_ciphers(settings.tls.ciphers),
                *_about_trust(settings, moment),
                *_about_peers(settings),
                *_about_relays(settings),
                *_about_expat(expat),
            )
        )
    )


def identities_of(settings: Settings) -> dict[Domain, Identity]:
    """Return the identities that can be loaded, by the domain whose table names them."""
    return load_identities(certificates_of(settings.domains)).identities


def _about_doors(settings: Settings) -> Iterator[str]:
    doors = settings.listen
    if not any(doors.opened()):
        yield "no port is open: [listen] is empty, so nobody can reach this gateway"
    if settings.domains_of(ComponentDomain) and not (doors.component or doors.component_tls):
        yield "no component can attach: neither listen.component nor listen.component_tls is set"
    if settings.domains_of(RelayDomain) and not doors.inside:
        yield "relayed servers can receive but not send: listen.inside is not set"
    if settings.domains_of(ImDomain) and not (doors.client or doors.client_tls):
        yield "nobody can log in to the accounts: neither listen.client nor listen.client_tls is set"
    for door, endpoint in doors.opened():
        if door in ("component", "http") and not _LOOPBACK.search(endpoint):
            yield f"listen.{door}: {endpoint} can be reached from other machines, without TLS"


def _about_certificates(settings: Settings, moment: datetime) -> Iterator[str]:
    loaded = identities_of(settings)
    identities = dict.fromkeys(loaded.values())  # each of them once, however many domains share it
    for identity in identities:
        yield from identity.warnings(moment)
    yield from _about_chains(settings, identities)
    for domain in settings.domains:
        if domain not in loaded and not any(identity.covers(domain) for identity in identities):
            yield f"{domain} has no certificate: it can prove itself to other servers by dialback only"


def _about_chains(settings: Settings, identities: Iterable[Identity]) -> Iterator[str]:
    """Yield our chains that other servers cannot follow to an authority, by the authorities that we trust."""
    try:
        trust = TrustStore.load(settings.tls.authorities)
    except ConfigError:
        return  # reported by `_about_trust`
    for identity in identities:
        last = identity.chain[-1]
        if last in trust or trust.called(last.issuer):
            continue
        file = identity.certificate_file
        if last.issuer != last.subject:
            yield (
                f"the chain in {file} is incomplete, or its authority is not trusted here: {name_of(last.issuer)} is"
                " not among our authorities. Use the file with the whole chain (certbot: fullchain.pem)"
            )
        elif len(identity.chain) == 1:
            yield f"the certificate in {file} is self-signed: other servers accept it only where they allow dialback"
        else:
            yield f"the chain in {file} leads to {name_of(last.subject)}, which is not among our authorities"


def _about_secrets(settings: Settings) -> Iterator[str]:
    for domain in settings.domains_of(ComponentDomain):
        if len(domain.secret.text) < SHORTEST_SECRET:
            yield f"the secret of {domain.domain} is shorter than {SHORTEST_SECRET} characters"
    peers = [settings.peers.any, *settings.peers.entries.values()]
    secrets = [domain.secret for domain in settings.domains_of(ComponentDomain)]
    for secret in (*secrets, *filter(None, (peer.digest_md5_secret for peer in peers))):
        file = secret.file or settings.file
        if _readable_by_all(file):
            yield f"every user of this machine can read the secrets in {file}: chmod o= {file}"


def _about_state(folder: Path) -> Iterator[str]:
    try:
        others = folder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    except OSError:
        return  # it will be created with the right mode
    if others:
        yield f"the state folder {folder} holds secrets and is open to other users: chmod 700 {folder}"
    for name in SECRET_FILES:
        file = folder / name
        if _open_to_all(file):
            yield f"every user of this machine can read or change the secret in {file}: chmod 600 {file}"


def _about_outbox(settings: Settings) -> Iterator[str]:
    outbox = settings.outbox
    if outbox.in_memory and any(keep != "no" for keep in _kept(settings)):
        yield 'outbox.url is "memory:", so waiting stanzas are lost when the gateway stops, no matter what `keep` says'
    if outbox.key_file is not None and _readable_by_all(outbox.key_file):
        yield f"every user of this machine can read the outbox key: chmod 600 {outbox.key_file}"
    if outbox.file is not None and (free := _free_bytes(outbox.file)) is not None and free < outbox.bytes:
        yield (
            f"outbox.bytes is {outbox.bytes}, but the disk of {outbox.file} has only {free} bytes free: "
            "once it is full, nothing more can be kept"
        )


def _kept(settings: Settings) -> Iterator[str]:
    yield settings.peers.any.keep
    yield from (peer.keep for peer in settings.peers.entries.values())
    yield from (domain.keep for domain in settings.domains_of(ComponentDomain))
    yield from (domain.peer.keep for domain in settings.domains_of(RelayDomain))


def _free_bytes(file: Path) -> int | None:
    """Return the free bytes on the disk of a file, counting the file itself; None if they cannot be determined."""
    folder = file.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        disk = os.statvfs(folder)
        return disk.f_bavail * disk.f_frsize + (file.stat().st_size if file.exists() else 0)
    except OSError:
        return None


def _about_ciphers(ciphers: str | None) -> Iterator[str]:
    for name in unknown_ciphers(ciphers or ""):
        yield f"tls.ciphers: this OpenSSL does not know {name} and ignores it"


def _about_trust(settings: Settings, moment: datetime) -> Iterator[str]:
    try:
        trust = TrustStore.load(settings.tls.authorities, settings.tls.crls)
    except ConfigError as error:
        yield error.problem
        return
    yield from trust.problems
    yield from trust.stale_lists(moment)


def _about_peers(settings: Settings) -> Iterator[str]:
    for domain, served in settings.domains.items():
        if domain in settings.peers.entries and not isinstance(served, RelayDomain):
            yield f'peers."{domain}" is never used: this gateway serves that domain itself'


def _about_relays(settings: Settings) -> Iterator[str]:
    for relay in settings.domains_of(RelayDomain):
        if not {"dialback", "digest-md5"} & set(relay.peer.authenticate):
            yield (
                f'domains."{relay.domain}".authenticate does not list "dialback": other domains cannot prove themselves'
                " to that server, because the gateway does not have their certificates (docs/relay.md)"
            )


def _about_expat(version: tuple[int, int, int]) -> Iterator[str]:
    if version < OLDEST_EXPAT:
        yield (
            f"the XML parser of this Python is expat {'.'.join(map(str, version))}: unless patched, one long token "
            "in many pieces takes quadratic time before version 2.6 (CVE-2023-52425)"
        )


def _readable_by_all(file: Path) -> bool:
    return bool(_mode(file) & stat.S_IROTH)


def _open_to_all(file: Path) -> bool:
    return bool(_mode(file) & (stat.S_IROTH | stat.S_IWOTH))


def _mode(file: Path) -> int:
    try:
        return file.stat().st_mode
    except OSError:
        return 0
