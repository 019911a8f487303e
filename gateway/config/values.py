"""One value of the configuration file -> the value of a settings field.

Each type of field has one reader here. A reader takes the folder of the configuration file, to which relative paths are
relative, and the value from TOML; its ValueError says what is wrong, in words for the operator.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import serverFromString

from gateway.config.reading import KeyPath, Reading
from gateway.config.settings import (
    ConnectEndpoint,
    ContactAddress,
    KeyPin,
    ListenEndpoint,
    NameserverAddress,
    NetworkAddress,
    Secret,
    Words,
)
from gateway.net.dns.system_names import Validating, parse_nameserver
from gateway.net.dns.targets import parse_connect

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_TCP_PORT = re.compile(r"tcp6?:(?:port=)?(-?[0-9]+)(?::.*)?")
_CALLED = re.compile(r"\A\S+\(\) ")  # the function whose arguments are in the endpoint string
_DIGEST = re.compile(r"[0-9a-f]{64}").fullmatch
_MOST_SECRET_BYTES = 4096
_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # of Linux (NAME_MAX, PATH_MAX)


def convert(folder: Path, value: object, kind: Any) -> Any:
    """Read a value as that type; raise ValueError if it is not one."""
    return _READERS[kind](folder, value)


def read_secret(reading: Reading, key: KeyPath, table: Mapping[str, Any]) -> Secret | None:
    """Return the secret in the file that `<key>_file` names."""
    name = key[-1]
    file_key = (*key[:-1], f"{name}_file")
    if name in table:
        reading.wrong(file_key, f"{name} is set as well: remove one of the two")
        return None
    try:
        file = _path(reading.folder, table[f"{name}_file"])
        return replace(_secret(reading.folder, _content(file).rstrip("\r\n")), file=file)
    except ValueError as error:
        reading.wrong(file_key, str(error))
        return None


def _boolean(folder: Path, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"true or false is needed, not {value!r}")
    return value


def _whole(folder: Path, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"a whole number is needed, not {value!r}")
    return value


def _number(folder: Path, value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"a number is needed, not {value!r}")
    return value


def _text(folder: Path, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"a string is needed, not {value!r}: put it in quotes")
    if not value:
        raise ValueError("is empty")
    return value


def _words(folder: Path, value: object) -> Words:
    if not isinstance(value, str | list) or not value:
        raise ValueError(f"a text or a list of texts is needed, not {value!r}")
    return Words(tuple(_text(folder, each) for each in ([value] if isinstance(value, str) else value)))


def _path(folder: Path, value: object) -> Path:
    """Return a path fit to be shown: without `..`, and with a link at its end unresolved."""
    text = _text(folder, value)
    path = folder / text
    if "\0" in text:
        raise ValueError(f"{value!r} contains a null character, so it is not a path")
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in path.parts) or len(os.fsencode(path)) > _LONGEST_PATH:
        raise ValueError(f"the path is too long: at most {_LONGEST_NAME} bytes a name, {_LONGEST_PATH} in all")
    return path.parent.resolve() / path.name if ".." in path.parts else path


def _mapping(folder: Path, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"a table is needed, not {value!r}")
    return value


def _secret(folder: Path, value: object) -> Secret:
    if not isinstance(value, str):
        raise ValueError("a string is needed: put it in quotes")  # without showing what may be the secret
    if not value:
        raise ValueError("is empty")
    return Secret(value)


def _contact(folder: Path, value: object) -> ContactAddress:
    text = _text(folder, value)
    if not _URI.fullmatch(text):
        raise ValueError(f"{value!r} is not a URI: write it as 'mailto:...', 'xmpp:...' or 'https:...'")
    return ContactAddress(text)


def _connect(folder: Path, value: object) -> ConnectEndpoint:
    text = _text(folder, value)
    parse_connect(text)
    return ConnectEndpoint(text)


def _nameserver(folder: Path, value: object) -> NameserverAddress:
    text = _text(folder, value)
    parse_nameserver(text)
    return NameserverAddress(text)


def _validating(folder: Path, value: object) -> Validating:
    if isinstance(value, bool):
        return Validating.YES if value else Validating.NO
    if value != Validating.AUTO:
        raise ValueError(f"{value!r} is not one of 'auto', true and false")
    return Validating.AUTO


def _pin(folder: Path, value: object) -> KeyPin:
    kind, _, digest = _text(folder, value).partition(":")
    plain = digest.replace(":", "").lower()
    if kind != "sha256" or not _DIGEST(plain):
        raise ValueError(f"{value!r} is not the digest of a key: write 'sha256:' and 64 hexadecimal digits")
    return KeyPin(plain)


def _network(folder: Path, value: object) -> NetworkAddress:
    text = _text(folder, value)
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a network like 10.0.0.0/8 or fd00::/8: {error}") from error
    return NetworkAddress(text)


def _door(folder: Path, value: object) -> ListenEndpoint:
    """Return a server endpoint that Twisted can create; nothing listens on it yet."""
    text = _text(folder, value)
    kind = text.partition(":")[0]
    if kind in ("ssl", "tls"):
        raise ValueError(f"{value!r} includes TLS: write 'tcp:', because the gateway adds TLS itself")
    check_door(value)
    return ListenEndpoint(text)


def check_door(value: object) -> None:
    """Raise ValueError if this is not a server endpoint that Twisted can create; nothing listens on it yet."""
    if not isinstance(value, str):
        raise ValueError(f"a server endpoint is needed, not {value!r}")
    if (port := _TCP_PORT.fullmatch(value)) and not 0 <= int(port[1]) < 65536:
        raise ValueError(f"{value!r} has no usable port: write a number up to 65535")
    try:
        serverFromString(None, value)
    except (ValueError, TypeError, AttributeError, OSError) as error:  # OSError: the certificate of `ssl:`
        problem = _CALLED.sub("", str(error))
        raise ValueError(
            f"{value!r} is not a server endpoint like 'tcp:5269:interface=127.0.0.1': {problem}"
        ) from error
    except LookupError:
        pass  # a systemd socket, which is visible only to the process that systemd starts


def _content(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_SECRET_BYTES + 1)
            if len(content) > _MOST_SECRET_BYTES:
                raise ValueError(f"{file} is longer than {_MOST_SECRET_BYTES} bytes")
            return content.decode()
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is not UTF-8 text") from error


_READERS: dict[Any, Callable[[Path, object], Any]] = {
    bool: _boolean,
    int: _whole,
    float: _number,
    str: _text,
    Path: _path,
    Secret: _secret,
    Words: _words,
    Mapping[str, Any]: _mapping,
    ContactAddress: _contact,
    ConnectEndpoint: _connect,
    NameserverAddress: _nameserver,
    NetworkAddress: _network,
    ListenEndpoint: _door,
    KeyPin: _pin,
    Validating: _validating,
}
