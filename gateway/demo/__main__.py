"""`python -m gateway.demo [FOLDER]`: the demo; see `gateway.demo.running`.

Everything else is imported late: importing takes most of a second, and Ctrl-C during that time must not cause a
traceback either.
"""

from __future__ import annotations

import signal
import sys
from importlib import import_module

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # and is not ignored, as below nohup
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    react = import_module("twisted.internet.task").react
    react(import_module("gateway.demo.running").main, sys.argv[1:])
