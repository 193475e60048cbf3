"""A study as a research object: sidecars gathered into a Workflow Run RO-Crate."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoofscope.files import write_text
from spoofscope.identity import canonical_json

# Workflow Run RO-Crate 0.5, the profile for runs of a workflow by one engine.
_PROFILES = (
    "https://w3id.org/ro/wfrun/process/0.5",
    "https://w3id.org/ro/wfrun/workflow/0.5",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
)


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
