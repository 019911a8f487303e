"""The steps by which a gateway is put together, a file per concern; `gateway.service` has them as a list, in order.

Each step makes one part from those before it and sets it on `parts.Parts`. Nothing is bound, dialled or read from the
network here: that begins when the service is started.
"""
