"""A case report as files: HTML, PDF, and all its numbers."""

import datetime
from pathlib import Path

from spoofscope.cases.case import Case, numbers_of
from spoofscope.cases.content import document_of
from spoofscope.cases.html import as_html
from spoofscope.cases.pdf import write_pdf
from spoofscope.files import write_json

HTML, PDF, NUMBERS = "case.html", "case.pdf", "case.json"
"""The files of a report."""


def write_case(case: Case, folder: Path, made: datetime.datetime | None) -> None:
    """Write the three files into an existing folder.

    Args:
        case: the case.
        folder: where to.
        made: the time of making, for the PDF; None leaves it out.
    """
    document = document_of(case)
    (folder / HTML).write_text(as_html(document), encoding="utf-8")
    write_pdf(document, folder / PDF, made)
    write_json(folder / NUMBERS, numbers_of(case))


def time_text(made: datetime.datetime | None) -> str | None:
    """The time of making as text, in UTC."""
    return None if made is None else made.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
