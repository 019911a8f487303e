"""Small files of the state folder, replaced whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def write_whole(file: Path, pieces: Iterable[str]) -> None:
    """Replace a file, or leave the old one as it is; the new one is readable by its owner alone. Raises OSError."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    draft = file.with_name(f"{file.name}.new")  # backups leave out drafts by this ending
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as new:
        new.writelines(pieces)
    draft.replace(file)
