"""All modules that a gateway or a command may import, imported before the first fork; see forks.py.

The reactor is not among them: each process has its own.
"""

import gc
import pkgutil
from importlib import import_module

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins

import gateway

OF_TWISTED = (
    "twisted.scripts.twistd",
    "twisted.scripts._twistd_unix",
    "twisted.plugins",
    "twisted.internet.epollreactor",
    "twisted.web.server",
)

for name in (*OF_TWISTED, *(module.name for module in pkgutil.walk_packages(gateway.__path__, "gateway."))):
    import_module(name)
list(getPlugins(IServiceMaker))  # twistd looks for its commands in all plugins
gc.collect()
gc.freeze()  # collectors in the forks leave these objects alone, so their pages stay shared
