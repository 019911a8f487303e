"""The workloads: the work that every server is given.

base.py         their common base
passing.py      stanzas that pass: between servers, components and relayed servers
people.py       stanzas of clients
handshakes.py   streams opened by others and by the server itself
pace.py         a steady pace, for latency
idle.py         start-up, and idle streams
growth.py       large amounts: domains, streams, one stanza's bytes
"""

from __future__ import annotations

from benchmarks.workloads.base import Workload
from benchmarks.workloads.growth import HugeStanza, ManyStreams
from benchmarks.workloads.handshakes import DialbackIn, DialbackOut, ExternalIn, ExternalOut
from benchmarks.workloads.idle import IdleClients, IdleStreams, StartUp
from benchmarks.workloads.pace import Paced
from benchmarks.workloads.passing import (
    ComponentToServer,
    CutAnywhere,
    Mix,
    OneByOne,
    Relay,
    ServerToComponent,
)
from benchmarks.workloads.people import ClientToClient, ClientToServer

WORKLOADS: tuple[type[Workload], ...] = (
    ServerToComponent,
    OneByOne,
    CutAnywhere,
    ComponentToServer,
    Mix,
    Relay,
    ClientToClient,
    ClientToServer,
    Paced,
    ExternalIn,
    DialbackIn,
    ExternalOut,
    DialbackOut,
    ManyStreams,
    HugeStanza,
    IdleStreams,
    IdleClients,
    StartUp,
)
"""All of them, in order."""
