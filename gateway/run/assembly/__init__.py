"""The steps that assemble a gateway, one file per concern; `gateway.service` lists them in order.

Each step returns one frozen group of parts, made from the groups before it. Nothing is bound, dialled or read from the
network here: that begins when the service is started.

shared.py        settings, notices, history, and the tools and limits of every stream
in_force.py      the settings in force, and what each part is given of them
state.py         the state folder and its secrets
certificates.py  our certificates, the authorities, and the judges of others' certificates
outbox.py        the outbox, and its regular work
policies.py      the policies for outside and relayed servers, and their dialback
routing.py       the router, and the routes to remote domains
border.py        filters and lists
federation.py    streams to other servers
serving.py       domains that components and handlers serve
accounts.py      domains with accounts
privileges.py    components that act or answer for accounts
doors.py         the ports of `[listen]`
joining.py       the two below, imported only where `[cluster]` asks for them
cluster.py       this gateway as one of several
takeover.py      the outbox of a node that is gone, taken over by another
importing.py     the outbox of a gateway that is gone, taken over from its file
operating.py     status and control socket
page.py          the http port, made when `[listen]` first asks for it
"""
