"""The rows of the feature set in the client role: ours, at our own doors and at real servers.

What both roles do by the same code is proven once, in the folder above.
"""
