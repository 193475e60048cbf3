"""What the pages promise exists: links, study examples, targets, floors."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

from spoofscope.plan.study_plan import checked

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    anchors = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        assert not file or (page.parent / file).exists(), target
        assert file or anchor in anchors, target


def test_every_page_is_listed_in_the_readme():
    assert set(re.findall(r"\(docs/(\w+\.md)\)", README)) == {page.name for page in PAGES[1:]}


class Site(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name functions of mkdocs."""


Site.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, tag, node: tag)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Site)
MOVED = runpy.run_path(str(ROOT / "docs/site_pages.py"))


def listed_pages(entries: list) -> list[str]:
    """The pages of a part of the site's navigation."""
    return [
        page
        for entry in entries
        for value in entry.values()
        for page in ([value] if isinstance(value, str) else listed_pages(value))
    ]


def test_the_site_has_no_code_of_ours():
    """What Python keeps of the site's own functions lies among the pages."""
    assert SITE["exclude_docs"].split() == ["*.py", "__pycache__/"]


def test_the_site_has_every_page_once():
    pages = [page.name for page in PAGES[1:]] + list(MOVED["PAGES"].values())
    assert sorted(listed_pages(SITE["nav"])) == sorted(pages)


@pytest.mark.parametrize("source", MOVED["PAGES"])
def test_links_of_moved_pages_lead_to_pages_of_the_site(source):
    text = MOVED["moved"]((ROOT / source).read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file = target.partition("#")[0]
        there = not file or (ROOT / "docs" / file).is_file() or file in MOVED["PAGES"].values()
        assert "://" in target or there, target


def test_pages_link_nothing_outside_the_site():
    for page in PAGES[1:]:
        for target in re.findall(r"\]\(\.\./([^)#]+)", page.read_text(encoding="utf-8")):
            assert target in MOVED["PAGES"], f"{page.name}: {target}"


def yaml_blocks() -> list[dict]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]


def test_study_examples_of_the_readme_are_valid():
    complete, *parts = yaml_blocks()
    checked(complete)
    assert parts
    for part in parts:
        merged = {**complete}
        for section, entries in part.items():
            merged[section] = {**complete.get(section, {}), **entries}
        checked(merged)


def test_architecture_shows_the_floors_that_are_tested():
    floors = runpy.run_path(str(ROOT / "tests/test_architecture.py"))["FLOORS"]
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    shown = {
        room: float(floor)
        for floor, rooms in re.findall(r"^\| ([\d.]+) \| (.*?) \|", text, re.MULTILINE)
        for room in re.findall(r"`(\w+)/?`", rooms)
    }
    assert shown == floors
