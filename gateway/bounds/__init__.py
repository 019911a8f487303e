"""Bounds on what others can make us keep, log or do.

tables.py  bounded tables with a fair share for everybody who fills them; rate limits
"""
