"""Fuzzing: seeded mutations of real transcripts, on the codec and on whole streams.

Some thousands of inputs run with the tests; `python -m tests.fuzz --inputs 1000000` runs as many as one likes.
"""
