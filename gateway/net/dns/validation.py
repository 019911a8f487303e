"""Whether nameservers validate signatures: a check for commands, which have no event loop and may block."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator, Sequence

from twisted.names import dns

from gateway.net.dns.system_names import Nameserver, Validating
from gateway.net.dns.targets import endpoint_text

_SECONDS = 2.0
_MOST_BYTES = 4096
_ROOT = dns.Query(b"", dns.NS, dns.IN)


def about_dnssec(servers: Sequence[Nameserver], validating: Validating) -> Iterator[tuple[str, str]]:
    """Yield each nameserver and its DNSSEC status, in words."""
    for server in servers:
        where = endpoint_text(*server)
        if not validating.believes(server):
            yield where, "not trusted to check DNSSEC, so there is no DANE ([dns] validating)"
        elif (problem := why_not_validating(server)) is None:
            yield where, "checks signatures: DNSSEC and DANE are in use"
        else:
            yield where, f"{problem}: no DANE"
    believed = [validating.believes(server) for server in servers]
    if any(believed) and not all(believed):
        yield (
            "",
            "an attacker who silences a trusted nameserver also disables DANE: list no others",
        )


def why_not_validating(server: Nameserver, seconds: float = _SECONDS) -> str | None:
    """Ask for the signed nameservers of the root; return why they did not come as proved, else None (RFC 6840 §5.7)."""
    question = dns.Message(secrets.randbits(16), recDes=1, authenticData=1)
    question.queries = [_ROOT]
    answer = dns.Message()
    try:
        with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(seconds)
            asking.connect(server)
            asking.send(question.toStr())
            answer.fromStr(asking.recv(_MOST_BYTES))
    except TimeoutError:
        return f"does not answer within {seconds:g} s"
    except OSError as error:
        return f"cannot be asked ({error.strerror})"
    except (EOFError, ValueError):
        return "answers with something that is not DNS"
    if answer.id != question.id or answer.rCode != dns.OK:
        return f"cannot tell the nameservers of the root (result code {answer.rCode})"
    return None if answer.authenticData else "does not check signatures (DNSSEC)"
