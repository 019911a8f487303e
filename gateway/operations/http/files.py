"""The files of the page, from the folder beside this module; read once, served unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from gateway.operations.http.door import Page, Response

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_files() -> Iterator[tuple[str, Page]]:
    """Yield each file as a page, with its path; index.html is the root."""
    for file in files("gateway.operations.http").joinpath("page").iterdir():
        suffix = file.name[file.name.rindex(".") :]
        answer = Response(body=file.read_bytes(), kind=KINDS[suffix])
        yield "/" if file.name == "index.html" else f"/{file.name}", Page(lambda answer=answer: answer)  # type: ignore[misc]
