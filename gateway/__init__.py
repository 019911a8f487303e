"""xmpp-gateway: federation at the border of an XMPP network.

The folders, from the ground up. A folder imports only from folders that come before it in this list;
tests/test_architecture.py reads the list and fails on an import that goes the other way.

Values
    xmpp              addresses, elements, stanzas, errors, namespaces
    bounds            tables with fair shares; rate limits
    timing            steady time, timers, turns of the event loop
Protocol: bytes in, bytes out; no socket, no clock
    sasl              SASL mechanisms and the keys they prove
    dialback          dialback keys and elements (XEP-0220); features has the roles, federation asks the third server
    stream            one XML stream: codec, header, states, negotiation, counts of stanzas (RFC 6120 §4, XEP-0198 §4)
    features          stream features, one in each file: TLS, SASL, bind, XEP-0198, dialback, a component's handshake
Storage and records
    storage           accounts, rosters and messages, on disk or in memory
    outbox            stanzas that wait for a peer, on disk or in memory
    notices           records of what happened, attempts at streams and their verdicts
    findings          a server seen from outside: facts, rules, findings, reports
Decisions: Deferreds, and a clock passed in
    routing           policy, router, queues, and the interfaces of every route
    cluster           several gateways as one: who is there, who has what, what crosses between them
    filters           rules for what crosses the border; the router asks them
    handlers          routes to services in Python
    components        routes to external components (XEP-0114)
    im                routes to people: accounts, rosters, presence (RFC 6121)
    federation        routes to other domains, the streams they share, and questions about dialback keys
    clients           client sessions
Input and output: the only sockets
    net.dns           DNS: from a domain to the addresses of its servers
    net.certificates  checking certificates, and our own certificates
    net.tls           TLS on the wire
    net.trust         proof of a certificate besides the authorities: what its domain says elsewhere
    net.connection    one TCP connection: bytes, timers, back-pressure
    net.listen        listening ports and connection limits
    net.dial          opening a stream to another server
    net.engine        what is between the nodes of a cluster: NATS
    config            the configuration file, read and checked
    bundled           services that come with the gateway and speak HTTP
    operations        log, metrics, status page and control, for operators
    inspection        looking at a server from outside, as a stranger: the facts for a report
Assembly
    run               start, reload, shutdown
    login             the gateway as the client of another server
    service           the service tree, as a list of steps
    tap               the twistd plugin
    commands          the command line
    demo              what `make run` shows
    testing           a kit for the tests of services in Python

Bytes arrive at `net.connection.protocol` and become events in `stream.stream`; stanzas pass `routing.policy` and reach
`routing.router`, which hands each to the one route that owns its domain. docs/ARCHITECTURE.md follows one stanza.
"""
