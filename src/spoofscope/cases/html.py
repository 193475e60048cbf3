"""A document as one HTML file that loads nothing."""

import base64

import jinja2

from spoofscope.cases.document import Document

_WORD = 30
"""Letters of a word that fits into a column of a printed page."""


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
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("case.html.j2").render(document=document)
