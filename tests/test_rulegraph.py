"""The rule graph in the documentation is the workflow's."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_rule_graph_is_current():
    rulegraph = runpy.run_path(str(ROOT / "docs/make_rulegraph.py"))["rulegraph"]
    page = (ROOT / "docs/rulegraph.md").read_text(encoding="utf-8")
    assert "manifest --> train" in page
    assert page == rulegraph(), "run: .venv/bin/python docs/make_rulegraph.py > docs/rulegraph.md"
