"""The methods of a study as files for a paper: Markdown, LaTeX, and whom they cite as BibTeX."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from spoofscope.citations import Citation
from spoofscope.files import write_text
from spoofscope.report.methods import Paragraph
from spoofscope.summaries.latex import Column, escaped, table_of

_LONGEST, _PIECE = 16, 4
"""Letters of what stays in one line, and of the pieces of what is longer."""
_NO_WORD = re.compile(r"[0-9]|[/_.]\w")
"""Where LaTeX knows no syllables."""

_VENUES = {"article": "journal", "inproceedings": "booktitle", "misc": "howpublished"}


def parts_of(config: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """What the paragraphs speak of, by their headings; see `citations`.

    Args:
        config: the study file.
        runs: settings of every run.
    """
    effects = [step["effect"] for chain in config["chains"].values() for step in chain]
    backends = [run["settings"]["backend"]["type"] for run in runs if "backend" in run["settings"]]
    backbones = config["backbones"].values()
    return {
        "Data": [
            *(f"corpus:{entry['type']}" for entry in config["corpora"].values()),
            *(f"effect:{name}" for name in effects),
        ],
        "Detectors": [
            *(f"backbone:{entry['family']}" for entry in backbones),
            *(f"hub:{entry['hub']}" for entry in backbones if "hub" in entry),
            *(f"backend:{name}" for name in backends),
        ],
        "Evaluation": ["intervals"] if config["bootstrap"]["resamples"] else [],
        "Software": ["software"],
    }


def write_methods(paragraphs: Sequence[Paragraph], outputs: Mapping[str, str]) -> None:
    """Write the paragraphs.

    Args:
        paragraphs: see `report.methods.methods`.
        outputs: `md`, with citations as pandoc reads them, `tex` and `bib`.
    """
    write_text(outputs["md"], "\n".join(map(_markdown, paragraphs)))
    write_text(outputs["tex"], "\n".join(map(_latex, paragraphs)))
    cited = {one.key: one for paragraph in paragraphs for one in paragraph.cites}
    write_text(outputs["bib"], "\n".join(_bibtex(cited[key]) for key in sorted(cited)))


def _markdown(paragraph: Paragraph) -> str:
    keys = "; ".join(f"@{one.key}" for one in paragraph.cites)
    text = f"**{paragraph.heading}.** {paragraph.text}{f' [{keys}]' if keys else ''}\n"
    if not paragraph.rows:
        return text
    head, *rows = (
        f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |\n" for row in paragraph.rows
    )
    return f"{text}\n{head}{'|---' * len(paragraph.rows[0])}|\n{''.join(rows)}"


def _latex(paragraph: Paragraph) -> str:
    keys = ",".join(one.key for one in paragraph.cites)
    cite = f"~\\cite{{{keys}}}" if keys else ""
    text = f"\\paragraph{{{escaped(paragraph.heading)}.}} {_breakable(paragraph.text)}{cite}\n"
    if not paragraph.rows:
        return text
    label = f"methods-{paragraph.heading.lower().replace(' ', '-')}"
    return f"{text}See Table~\\ref{{tab:{label}}}.\n\n{_table(paragraph, label)}"


def _breakable(text: str) -> str:
    """A text for LaTeX in which checksums, addresses and names of files may be broken."""
    return " ".join(
        _in_pieces(word) if len(word) > _LONGEST and _NO_WORD.search(word) else escaped(word)
        for word in text.split(" ")
    )


def _in_pieces(word: str) -> str:
    letters = [escaped(letter) for letter in word]
    pieces = ["".join(letters[i : i + _PIECE]) for i in range(0, len(letters), _PIECE)]
    return "\\allowbreak{}".join(pieces)


def _table(paragraph: Paragraph, label: str) -> str:
    head, *rows = paragraph.rows
    columns = [
        Column(escaped(name), [escaped(row[number]) for row in rows], False)
        for number, name in enumerate(head)
    ]
    return table_of(columns, escaped(f"{paragraph.heading} of the study."), label)


def _bibtex(citation: Citation) -> str:
    fields = {
        "author": escaped(citation.author),
        # In two braces, so that its capital letters stay.
        "title": f"{{{escaped(citation.title)}}}",
        _VENUES[citation.kind]: escaped(citation.venue),
        "year": citation.year,
        "doi": citation.doi,
    }
    lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items())
    return f"@{citation.kind}{{{citation.key},\n{lines}}}\n"
