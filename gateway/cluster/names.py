"""The names of nodes."""

from __future__ import annotations

import re

NODE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
