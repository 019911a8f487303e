"""Configuration files for tests: the little that every one needs, and certificates for the domains that are named."""

from __future__ import annotations

from pathlib import Path

from tests.support.throwaway_ca import Authority


class Folder:
    """A folder with a throw-away authority, in which configuration files are written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = Authority.create()
        self.authority.save(path / "ca.pem")

    def certify(self, *names: str, file: str | None = None, key_file: str | None = None) -> str:
        """Issue a certificate; the answer is the name of its file."""
        file = file or f"{names[0]}.pem"
        self.authority.issue(*names).save(self.path / file, self.path / key_file if key_file else None)
        return file

    def write(self, text: str, name: str = "gateway.toml") -> Path:
        """Write a configuration file."""
        file = self.path / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def complete(self, text: str, *without: str) -> Path:
        """Write a configuration file: this text, and the sections that it lacks, except those named."""
        sections = {
            "gateway": '[gateway]\nstate = "state"\n',
            "tls": '[tls]\nauthorities = "ca.pem"\n',
            "domains": '[domains."im.test"]\nserve = "im"\n',
        }
        lacking = [body for name, body in sections.items() if f"[{name}" not in text and name not in without]
        return self.write("\n".join([text, *lacking]))
