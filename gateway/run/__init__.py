"""Start, reload and shutdown.

reloading.py  the reload of configuration, certificates, authorities and revocation lists
shutdown.py   the order in which streams are closed
bounds.py     the bounds that no key sets, as docs/configuration.md lists them
assembly/     the steps of the start
"""
