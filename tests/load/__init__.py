"""Load: very many open streams, traffic on a few of them, and others who only take up room.

A small run is among the tests; `python -m tests.load --streams 10000` runs the whole of it and prints the figures.
"""
