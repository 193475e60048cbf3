"""Prints docs/rulegraph.md: the rules of the mini study as Snakemake itself finds them.

After a rule was added or rewired: `.venv/bin/python docs/make_rulegraph.py > docs/rulegraph.md`
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

PAGE = """\
# Rule graph of the mini study

`.venv/bin/python docs/make_rulegraph.py > docs/rulegraph.md` makes this page; a test compares the
page with the workflow. An arrow leads from a rule to a rule that reads its outputs. The graph
leaves out the rule `all` and the rules without a job in the mini study (such as `download` and
`unpack`, for corpora with `archives`).

```mermaid
flowchart TB
{edges}
```
"""


def rulegraph() -> str:
    """The page."""
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--rulegraph", "mermaid-js"]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r"^\s*(id\d+)\[(\w+)\]", graph, re.MULTILINE))
    edges = re.findall(r"^\s*(id\d+) --> (id\d+)", graph, re.MULTILINE)
    # Snakemake gives numbers and order anew each time.
    lines = sorted(f"    {names[a]} --> {names[b]}" for a, b in edges if names[b] != "all")
    return PAGE.format(edges="\n".join(lines))


if __name__ == "__main__":
    sys.stdout.write(rulegraph())
