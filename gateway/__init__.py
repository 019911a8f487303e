"""xmpp-gateway: federation at the border of an XMPP network.

The rooms, bottom floor first; a file imports only what stands above it here (tests/test_architecture.py).

Values         errors, namespaces, preparation, markup, elements, address_parts, addresses, stanzas
Protocol       stream/ (codec, header, facts, events, states, negotiation, stream), profiles, dialback/, sasl/,
               features/: no sockets, no clock, no reactor
Decisions      notices, interfaces, sessions, requests, timers, policy, review, router, outflow, storage/, outbox/ (what
               survives), attempts/, federation/, components, handlers/, im/: Deferreds, and a clock passed in
Input, output  settings, net/ (certificates, resolver, dialling, protocol, doors, connector), log, history,
               turns, census, status_records, status, lag, supervision, metrics, config/, http/, control/, clients/ (the
               doors of people), guest/ (where we are the client)
Assembly       assembly/ (a step of the start in each file), reloading, shutdown, service (the list of the steps), tap,
               commands/, demo/

Bytes come in at `net.protocol`, become events in `stream.stream`, stanzas go through `policy` to the `router`,
which hands each to the one route that owns its domain. docs/ARCHITECTURE.md walks one stanza through.
"""
