"""Steady time, timers, and turns of the event loop.

steady_time.py  time that does not follow the system's clock when that is set
timers.py       a single timer, or several by name
turns.py        long work in many short steps
waiters.py      those who wait for the same thing, in order
block_watch.py  where a call blocks the event loop
reactor.py      what the gateway asks of Twisted's reactor
"""
