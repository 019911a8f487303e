"""The manual: pages in Markdown, made into HTML by `make docs`.

The figures of the last benchmark on this machine are put in each time. What else is generated is written by its own
program and checked by tests: configuration.md, troubleshooting.md, feature-set.md.
"""

import json
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

BENCHMARKS = """\
# Benchmarks

`make bench` starts the gateway, Prosody and ejabberd on loopback, gives each the same work, alternating in one run, and
reads the processor time of their processes from the operating system. Times differ from machine to machine; what counts
are ratios within one run. All three are taken as Debian builds them: on a Python that was only configured and made, the
gateway takes a third more. `make profile` shows where the gateway's own time goes.

"""


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
(GENERATED / "benchmarks.md").write_text(benchmarks())
