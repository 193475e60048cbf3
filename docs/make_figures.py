"""Prints docs/figures.md: every figure and table, from their records and from the plan.

After a record was added or changed: `.venv/bin/python docs/make_figures.py > docs/figures.md`
"""

import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from planning import plan_of  # noqa: E402
from spoofscope.plan.exhibits import Exhibits  # noqa: E402
from spoofscope.study import MINI, Study  # noqa: E402
from spoofscope.study.reading import read_config  # noqa: E402

PAGE = """\
# Figures and tables

`.venv/bin/python docs/make_figures.py > docs/figures.md` makes this page from the records in
`src/spoofscope/figures/` and `src/spoofscope/summaries/`; a test compares the page with them.
[adding_a_figure.md](adding_a_figure.md) explains how to add a figure.

Each figure and table is a target, such as `snakemake --profile profiles/local figure_det_curves`. A
figure is three files: `results/{study}/figures/{name}.pdf`, `.png`, and `.tsv` with the plotted
numbers. A table is `results/{study}/tables/{name}.tsv`. Every grid `NAME` has a figure and a table
`grid_NAME`, which are targets by their path; the target `grids` makes all of them.

"""


def section(heading: str, kind: str, exhibits: Exhibits) -> str:
    """A heading, and an entry per record."""
    entries = [f"## {heading}\n"]
    for name, record in exhibits.records.items():
        target = f"{kind}_{name}" if exhibits.pattern(name) == name else "grids"
        end = "" if record.title.endswith("?") else "."
        absent = exhibits.absent(name)
        entries.append(f"### `{target}`: {record.shows}\n")
        entries.append(wrapped(f"**{record.title}{end}** {record.caption}"))
        if absent:
            entries.append(wrapped(f"A study has none if {absent}."))
    return "\n".join(entries)


def wrapped(text: str) -> str:
    """A paragraph."""
    return textwrap.fill(text, 100, break_on_hyphens=False, break_long_words=False) + "\n"


def page() -> str:
    """The page."""
    plan = plan_of(Study(read_config(MINI)))
    figures = section("Figures", "figure", plan.figures)
    return PAGE + figures + "\n" + section("Tables", "table", plan.tables)


if __name__ == "__main__":
    sys.stdout.write(page())
