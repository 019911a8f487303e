"""The manual: pages in Markdown, made into HTML by `make docs`.

Two pages are made anew each time, from what is true at that moment: the feature table from the tests that prove each
row, and the figures of the last benchmark on this machine.
"""

import ast
import json
import re
from pathlib import Path

project = "xmpp-gateway"
author = "the authors of xmpp-gateway"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "xmpp-gateway"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
nitpicky = True
smartquotes = False

ROOT = Path(__file__).parent.parent
GENERATED = Path(__file__).parent / "generated"

FEATURES = """\
# Feature table

Each row of *A Feature Set for XMPP* (draft-saintandre-xmpp-feature-set-01, RFC 6120 section 15, RFC 6121 section 14)
that has tests of its own, with what they promise. `make features` runs them.

| row | promise |
|---|---|
"""

BENCHMARKS = """\
# Benchmarks

`make bench` starts the gateway, Prosody and ejabberd on loopback, gives each the same work, alternating in one run, and
reads the processor time of their processes from the operating system. Times differ from machine to machine; what counts
are ratios within one run. `make profile` shows where the gateway's own time goes.

"""


def features():
    rows = {}
    for path in (ROOT / "tests" / "features").glob("test_*.py"):
        named = re.fullmatch(r"test_(\d+(?:_\d+)+)", path.stem)
        promise = ast.get_docstring(ast.parse(path.read_text()))
        if named and promise:
            *section, row = named[1].split("_")
            text = re.sub(r"^[\d.]+-\d+:\s*", "", " ".join(promise.split("\n\n")[0].split())).replace("|", "\\|")
            rows[tuple(map(int, [*section, row]))] = f"| {'.'.join(section)}-{row} | {text} |"
    return FEATURES + "\n".join(rows[key] for key in sorted(rows)) + "\n"


def benchmarks():
    results = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    if not results:
        return BENCHMARKS + "No benchmark has been run on the machine that made this page.\n"
    found = json.loads(results[-1].read_text())
    names = list(found["figures"][0]["servers"])
    lines = [f"The last run here: {found['when']}, Python {found['machine']['python']}.", ""]
    lines += [f"| workload | figure | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for figure in found["figures"]:
        values = [figure["servers"].get(name, {}).get("median") for name in names]
        cells = ["-" if value is None else f"{value:,.4g}" for value in values]
        lines.append(f"| {figure['workload']} | {figure['figure']} ({figure['unit']}) | {' | '.join(cells)} |")
    return BENCHMARKS + "\n".join(lines) + "\n"


GENERATED.mkdir(exist_ok=True)
for _name, _make in (("features", features), ("benchmarks", benchmarks)):
    (GENERATED / f"{_name}.md").write_text(_make())
