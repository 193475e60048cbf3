"""The pages docs/adding_*.md and docs/how_do_i.md, followed to the letter.

In order of the page: a block below a line that begins with a file's name in backticks and ends with
a colon is written to that file, or, if it is a diff, applied to it. Commands of console blocks are
run, and what they print (progress and messages aside) is compared with what the page shows; there
`...` stands for anything in a line, and on a line of its own for any lines.
"""

import re
import subprocess
from collections.abc import Iterator
from typing import NamedTuple

import checkout
import pytest
from checkout import ROOT, Checkout

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

PAGES = sorted(path.name for path in (ROOT / "docs").glob("adding_*.md"))
FROM_NOTHING = [
    *("adding_a_backend.md", "adding_a_corpus.md", "adding_a_frontend.md", "adding_a_stage.md")
]
AFTER_THE_DEMO = ["adding_a_figure.md", "adding_a_metric.md"]
# Shown, but for the reader's own data.
ONLY_SHOWN = {"yaml", "sh"}

ORDER = """
$ .venv/bin/python docs/make_study_reference.py
$ .venv/bin/python docs/make_rulegraph.py > docs/rulegraph.md
$ .venv/bin/python docs/make_figures.py > docs/figures.md
$ .venv/bin/ruff check -q .
$ .venv/bin/ruff format -q --check .
$ .venv/bin/snakefmt --check Snakefile workflow
$ .venv/bin/mypy
...
$ .venv/bin/python -m pytest tests/test_{architecture,documentation,rulegraph,study_ref}*.py
...
... passed in ...
"""

# Pytest cannot rewrite the assertions of a package that was imported before it started.
_IN_A_FORK = "-W ignore::pytest.PytestAssertRewriteWarning"


class Block(NamedTuple):
    """A fenced block: its language, its text, and the file that the line above it names."""

    language: str
    text: str
    path: str | None


def blocks(page: str) -> Iterator[Block]:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    pattern = r"(?:^`([^`\n]+)`[^\n]*:\n\n)?^```(\w*)\n(.*?)^```$"
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        block = Block(match[2], match[3], match[1])
        if block.path is None and block.language in ONLY_SHOWN:
            continue
        assert (block.path is None) == (block.language == "console"), block
        yield block


def edited(text: str, diff: str) -> str:
    """The text with a diff applied, of which only signs and lines count: no line numbers."""
    lines = diff.splitlines(keepends=True)
    assert all(line[0] in " +-" for line in lines), diff
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert f"\n{text}".count(f"\n{before}") == 1, f"not there, or not only once:\n{before}"
    return f"\n{text}".replace(f"\n{before}", f"\n{after}")[1:]


def apply(study: Checkout, block: Block) -> None:
    """Write or edit the file of a block."""
    assert block.path is not None
    file = study.folder / block.path
    if block.language == "diff":
        file.write_text(edited(file.read_text(encoding="utf-8"), block.text), encoding="utf-8")
    else:
        assert not file.exists(), f"{block.path} is there already"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text, encoding="utf-8")


def pattern_of(shown: str) -> str:
    return "".join(
        r"(?:.*\n)*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in shown.splitlines()
        if line
    )


def run(study: Checkout, block: Block) -> None:
    """Run the commands of a console block and compare what they print."""
    for step in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", command],
            cwd=study.folder,
            env={**study.environment(), "PYTEST_ADDOPTS": _IN_A_FORK},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}{done.stderr[-6000:]}"
        assert re.fullmatch(pattern_of(shown), done.stdout), (
            f"{command}\nprinted\n{done.stdout[-6000:]}\nbut the page shows\n{shown}"
        )


def follow(study: Checkout, page: str) -> None:
    for block in blocks(page):
        if block.language == "console":
            run(study, block)
        else:
            apply(study, block)


def test_every_page_is_followed():
    assert sorted(FROM_NOTHING + AFTER_THE_DEMO) == PAGES


@pytest.mark.parametrize("page", FROM_NOTHING)
def test_page_in_a_fresh_checkout(page, tmp_path):
    follow(checkout.clone(tmp_path / "checkout").with_environment(), page)


@pytest.mark.parametrize("page", AFTER_THE_DEMO)
def test_page_after_the_demo(page, mini, tmp_path):
    follow(mini.copy(tmp_path / "checkout").with_environment(), page)


def test_answers_about_results(mini, tmp_path):
    """Their commands only read what the demo has made."""
    for entry in mini.folder.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    follow(Checkout(tmp_path).with_environment(), "how_do_i.md")


def test_all_pages_together_leave_the_house_in_order(tmp_path):
    """What the pages add is formatted and typed as the rest; tests of the whole still hold."""
    study = checkout.clone(tmp_path / "checkout").with_environment()
    for page in PAGES:
        for block in blocks(page):
            if block.language != "console":
                apply(study, block)
    run(study, Block("console", ORDER, None))
