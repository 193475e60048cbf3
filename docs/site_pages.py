"""Pages of the documentation site that lie above this folder; a hook of `mkdocs.yml`.

The page README.md is the home page, so that nothing is written twice.
"""

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files above this folder, and their names in the site."""


def moved(text: str) -> str:
    """A page of the folder above, with the links that it has in this one.

    What the site does not have, such as the licence, is named and not linked.
    """

    def link(match: re.Match[str]) -> str:
        words, target = match.groups()
        file, mark, anchor = target.partition("#")
        if "://" in target or not file:
            return match[0]
        if file.startswith("docs/"):
            return f"[{words}]({file.removeprefix('docs/')}{mark}{anchor})"
        return f"[{words}]({PAGES[file]}{mark}{anchor})" if file in PAGES else words

    return re.sub(r"\[([^\]]*)\]\(([^)]+)\)", link, text)


def on_files(files: Any, config: Any) -> Any:
    """Add these pages to the site."""
    from mkdocs.structure.files import File

    for source, page in PAGES.items():
        text = moved((ROOT / source).read_text(encoding="utf-8"))
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Lead links to these pages to where they are in the site."""
    for source, page in PAGES.items():
        markdown = markdown.replace(f"](../{source}", f"]({page}")
    return markdown
