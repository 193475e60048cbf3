"""A document as one HTML file that loads nothing."""

import base64

import jinja2

from spoofscope.cases.document import Document


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
    environment.filters["kind"] = lambda block: type(block).__name__
    return environment.get_template("case.html.j2").render(document=document)
