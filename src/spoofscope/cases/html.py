"""A document as one HTML file that loads nothing."""

import base64

import jinja2

from spoofscope.cases.document import Document, Table

_WORD = 30
"""Letters of a word that fits into a column of a printed page."""
_CELL = 40
"""Letters of a cell that fits beside others on a phone."""


def as_html(document: Document) -> str:
    """The whole page; all text is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spoofscope"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda content: base64.b64encode(content).decode()
    environment.tests["long"] = lambda cell: any(len(word) > _WORD for word in cell.split())
    environment.tests["wide"] = _wide
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("case.html.j2").render(document=document)


def _wide(table: Table) -> bool:
    """Whether a column with a title, but the first, holds sentences or sums."""
    return bool(table.header) and any(
        len(cell) > _CELL
        for row in table.rows
        for column, cell in enumerate(row)
        if column > 0 and column not in table.right
    )
