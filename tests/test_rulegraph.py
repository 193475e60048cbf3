"""The pages that are made from the workflow are current."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_rule_graph_is_current():
    rulegraph = runpy.run_path(str(ROOT / "docs/make_rulegraph.py"))["rulegraph"]
    page = (ROOT / "docs/rulegraph.md").read_text(encoding="utf-8")
    assert "manifest --> train" in page
    assert page == rulegraph(), "run: .venv/bin/python docs/make_rulegraph.py > docs/rulegraph.md"


def test_list_of_figures_and_tables_is_current():
    page = runpy.run_path(str(ROOT / "docs/make_figures.py"))["page"]
    text = (ROOT / "docs/figures.md").read_text(encoding="utf-8")
    assert text == page(), "run: .venv/bin/python docs/make_figures.py > docs/figures.md"
