"""The archives of a release: each is built, installed into a clean environment, and runs the demo from there."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.world import claim_network

ROOT = Path(__file__).parents[2]
NOT_SOURCE = shutil.ignore_patterns(
    ".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "build", "dist", "*.egg-info", "state", "node_modules"
)
DEPENDENCIES = sysconfig.get_path("purelib")
INSTALL = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python")
AS_IT_IS = ("--no-isolation", "--skip-dependency-check")  # what builds is what is installed here
# What is not used need not be compiled, either.
OFFLINE = ("--no-index", "--no-deps", "--no-build-isolation", "--no-compile")
# The wheel is built from the source archive, so it shows by itself whether that one is complete.
KINDS = pytest.mark.parametrize(
    ("kind", "end"),
    [
        pytest.param("*.whl", signal.SIGINT, id="wheel"),
        pytest.param("*.tar.gz", signal.SIGTERM, id="sdist", marks=pytest.mark.soak),
    ],
)
DEMO_SECONDS = 60


def run(*command: object, cwd: Path) -> str:
    """Run a command to its end; return what it printed, or fail with it."""
    ended = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both archives, built from a copy of this tree: building writes into it."""
    folder = tmp_path_factory.mktemp("archives")
    tree = shutil.copytree(ROOT, folder / "tree", ignore=NOT_SOURCE)
    run(sys.executable, "-m", "build", *AS_IT_IS, "--outdir", folder, tree, cwd=folder)
    return folder


@pytest.fixture
def installed(archives: Path, kind: str, tmp_path: Path) -> Path:
    """An environment in which one archive is installed; only the libraries come from ours."""
    folder = tmp_path / "environment"
    venv.create(folder)
    python = folder / "bin" / "python"
    library = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path).strip()
    # Only this folder is added: the .pth files in it, which lead to our own tree, do not count there.
    (Path(library) / "dependencies.pth").write_text(f"{DEPENDENCIES}\n")
    [archive] = archives.glob(kind)
    run(*INSTALL, python, "install", *OFFLINE, archive, cwd=tmp_path)
    imported = run(python, "-c", "import gateway; print(gateway.__file__)", cwd=tmp_path)
    assert imported.startswith(library)
    return folder


@pytest.fixture
def address() -> Iterator[str]:
    """An address where no other demo is."""
    claim, addresses = claim_network()
    with claim:
        yield next(addresses)


@KINDS
def test_what_is_installed_runs_the_demo_and_brings_all_that_belongs_to_it(
    installed: Path, tmp_path: Path, address: str, end: signal.Signals
) -> None:
    share = installed / "share"
    documents = share / "doc" / "xmpp-gateway"
    assert (share / "man" / "man1" / "xmpp-gateway.1").read_text() == (ROOT / "docs/man/xmpp-gateway.1").read_text()
    assert (documents / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    assert {page.name for page in documents.glob("*.md")} >= {page.name for page in (ROOT / "docs").glob("*.md")}
    for file in ("systemd/xmpp-gateway.service", "prometheus/xmpp-gateway.rules.yml"):
        assert (documents / "examples" / file).exists()
    assert "probe" in run(installed / "bin" / "xmpp-gateway", "--help", cwd=tmp_path)
    assert "--config" in run(installed / "bin" / "python", "-m", "twisted", "xmpp-gateway", "--help", cwd=tmp_path)

    shutil.copytree(documents / "examples", tmp_path / "etc")
    for file in (tmp_path / "etc").glob("demo*.toml"):
        file.write_text(file.read_text().replace("127.0.0.1", address))
    command = [installed / "bin" / "python", "-m", "gateway.demo", "."]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as demo:
        assert demo.stdout is not None
        lines: list[str] = []
        for line in demo.stdout:
            lines.append(line)
            if "gets from echo@outside.test: 'Hello!'" in line:
                break
        else:
            pytest.fail("".join(lines))
        demo.send_signal(end)
        demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 0


def test_the_source_archive_has_what_a_packager_and_a_contributor_need(archives: Path) -> None:
    [archive] = archives.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert names >= {
        "LICENSE",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "docs/conf.py",
        "docs/man/xmpp-gateway.1",
        "etc/gateway.toml",
        "tests/conftest.py",
        "gateway/py.typed",
        "twisted/plugins/xmpp_gateway.py",
    }
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]
