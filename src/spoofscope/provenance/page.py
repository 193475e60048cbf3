"""The readable counterpart of the research object."""

from collections.abc import Mapping
from typing import Any

import jinja2

from spoofscope.files import write_text
from spoofscope.identity import canonical_json


def write_page(sidecars: list[dict[str, Any]], config: Mapping[str, Any], output: str) -> None:
    """Write the readable counterpart of the crate: one row per job."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spoofscope"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    commits = sorted({str(sidecar["git"]["commit"]) for sidecar in sidecars})
    page = environment.get_template("provenance.html.j2").render(
        config=config,
        sidecars=sidecars,
        commits=commits,
        dirty=[sidecar for sidecar in sidecars if sidecar["git"]["dirty"]],
        seconds=sum(sidecar["seconds"] for sidecar in sidecars),
        parameters=[canonical_json(sidecar["parameters"]) for sidecar in sidecars],
    )
    write_text(output, page)
