"""The engine between the nodes of a cluster: NATS (https://nats.io), by its own library.

The library needs asyncio, so this folder is imported only where the configuration has `[cluster]`; then Twisted runs on
asyncio's event loop (`gateway.tap`).

nats_engine.py  NatsEngine: ICluster over NATS
"""
