"""Where results come from: sidecars gathered into a research object and a readable page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from spoofscope.errors import ProvenanceError
from spoofscope.files import read_json, write_text
from spoofscope.identity import canonical_json
from spoofscope.job import SIDECAR_SUFFIX

# Workflow Run RO-Crate 0.5, the profile for runs of a workflow by one engine.
_PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)


def read_sidecars(outputs: list[str]) -> list[dict[str, Any]]:
    """The sidecars behind the given files, and behind all that those were made from, each once.

    A job has one sidecar, beside its first output; files that are no first output are found through
    the sidecars of their folder. Inputs without a sidecar come from outside the workflow.

    Raises:
        ProvenanceError: one of the given files has no sidecar.
    """
    found: dict[str, dict[str, Any]] = {}
    known: dict[str, str] = {}
    seen: set[Path] = set()

    def sidecar_of(path: str) -> str | None:
        folder = Path(path).parent
        if folder not in seen:
            seen.add(folder)
            for sidecar in sorted(folder.glob(f"*{SIDECAR_SUFFIX}")):
                found[str(sidecar)] = read_json(sidecar)
                made = found[str(sidecar)]["outputs"]
                known.update((entry["path"], str(sidecar)) for entry in made)
        return known.get(path)

    missing = [path for path in outputs if sidecar_of(path) is None]
    if missing:
        raise ProvenanceError(
            f"{missing[0]} has no sidecar (*{SIDECAR_SUFFIX}) that says what made it; "
            "delete the file and run the workflow again"
        )
    used: set[str] = set()
    pending = list(outputs)
    while pending:
        sidecar = sidecar_of(pending.pop())
        if sidecar is not None and sidecar not in used:
            used.add(sidecar)
            pending.extend(entry["path"] for entry in found[sidecar]["inputs"])
    return [found[name] for name in sorted(used)]


def write_crate(
    sidecars: list[dict[str, Any]], config: Mapping[str, Any], snakefile: Path, output: str
) -> None:
    """Write `ro-crate-metadata.json`: every job as an action with its inputs and results.

    Files stay where they are; the crate refers to them relative to the study's folder.
    """
    from rocrate.model import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate()
    crate.name = config["title"]
    crate.description = config.get("description", config["title"])
    crate.license = "https://spdx.org/licenses/MIT"
    crate.root_dataset["conformsTo"] = [
        crate.add(ContextEntity(crate, iri, properties={"@type": "CreativeWork"}))
        for iri in _PROFILES
    ]
    workflow = crate.add_workflow(
        dest_path=snakefile.name, main=True, lang="snakemake", fetch_remote=False
    )
    root = Path(output).parent.parent
    files: dict[str, Any] = {}

    def file_of(entry: Mapping[str, Any]) -> Any:
        path = Path(entry["path"])
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
        if name not in files:
            properties = {"contentSize": str(entry["bytes"])}
            if "sha256" in entry:
                properties["sha256"] = entry["sha256"]
            files[name] = crate.add_file(dest_path=name, properties=properties)
        return files[name]

    tools: dict[str, Any] = {}
    for number, sidecar in enumerate(sidecars):
        rule = sidecar["rule"]
        if rule not in tools:
            tools[rule] = crate.add(
                ContextEntity(
                    crate,
                    f"#rule-{rule}",
                    properties={"@type": "SoftwareApplication", "name": f"rule {rule}"},
                )
            )
        action = crate.add_action(
            tools[rule],
            identifier=f"#job-{number}",
            object=[file_of(entry) for entry in sidecar["inputs"]],
            result=[file_of(entry) for entry in sidecar["outputs"]],
            properties={
                "name": f"{rule} {canonical_json(sidecar['wildcards'])}",
                "startTime": sidecar["started"],
                "description": f"code {sidecar['code']}, commit {sidecar['git']['commit']}",
            },
        )
        action["actionStatus"] = "http://schema.org/CompletedActionStatus"
    run = crate.add_action(
        workflow,
        identifier="#workflow-run",
        properties={"name": f"Run of study {config['study']}"},
        result=[file for name, file in files.items() if name.startswith(("figures/", "report/"))],
    )
    crate.root_dataset["mentions"] = [run]
    _write_metadata(crate, output)


def _write_metadata(crate: Any, output: str) -> None:
    import json

    metadata = crate.metadata.generate()
    write_text(output, json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


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
