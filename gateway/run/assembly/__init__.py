"""The steps that assemble a gateway, one file per concern; `gateway.service` lists them in order.

Each step returns one frozen group of parts, made from the groups before it. Nothing is bound, dialled or read from the
network here: that begins when the service is started.
"""
