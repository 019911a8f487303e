"""Notices: records of what happened.

notices.py  the records themselves
attempts/   the records of streams
"""
