"""The doors: what listens, and how much may come in."""
