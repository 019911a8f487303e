"""Local services: one XEP per file, each an `ILocalHandler` (docs/handlers.md).

route.py         the route of a domain that handlers serve
life.py          their life, as a table
open_work.py     what handlers have not answered yet
services.py      Service: the base class, with one method for each kind of stanza
context.py       what a service may do besides answering
storing.py       what a service keeps
subscribers.py   who sees the presence of a service                 RFC 6121 §3
directory.py     what discovery shows of a service
adhoc.py         commands from plain functions                      XEP-0050
subprotocols.py  Twisted's and Wokkel's handlers, unchanged
disco.py         service discovery                                  XEP-0030
ping.py          ping                                               XEP-0199
time.py          entity time                                        XEP-0202
version.py       software version                                   XEP-0092
echo.py          every message back to its sender
"""
