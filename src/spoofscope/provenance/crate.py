"""A study as a research object: its sidecars as a Provenance Run RO-Crate.

The folder of the study is the crate. The profiles are Process, Workflow and Provenance Run Crate
0.5 (Leo et al., 2024, doi:10.1371/journal.pone.0309210) on RO-Crate 1.1.
"""

import base64
import datetime
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spoofscope.files import write_text
from spoofscope.identity import canonical_json, hash8
from spoofscope.provenance.sidecars import Record, first_output

_CRATE = "https://w3id.org/ro/crate/1.1"
_WORKFLOW_CRATE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    _WORKFLOW_CRATE: ("Workflow RO-Crate", "1.0"),
}
_SNAKEMAKE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
_DONE = "http://schema.org/CompletedActionStatus"
_MIT = "https://spdx.org/licenses/MIT"

# File endings that RO-Crate readers should know; of others the operating system knows as little.
_FORMATS = {
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".md": "text/markdown",
    ".html": "text/html",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".yaml": "application/yaml",
    ".safetensors": "application/octet-stream",
}

Entity = dict[str, Any]


def crate_metadata(
    sidecars: Sequence[Record], config: Mapping[str, Any], root: str, workflow: str, study: str
) -> Entity:
    """The content of `ro-crate-metadata.json`: every job as an action with its files and settings.

    Args:
        sidecars: of all jobs behind the study's results.
        config: the study file.
        root: the folder of the study, which is the crate.
        workflow: the copy of the Snakefile in the crate.
        study: the copy of the study file in the crate.
    """
    return _Crate(sidecars, config, root).build(workflow, study)


def write_crate(metadata: Entity, output: str) -> None:
    """Write the metadata as JSON with sorted keys."""
    write_text(output, json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def _reference(entity: Entity) -> Entity:
    return {"@id": entity["@id"]}


def _references(entities: Iterable[Entity]) -> list[Entity]:
    """References, each once, in order."""
    return [{"@id": identifier} for identifier in dict.fromkeys(e["@id"] for e in entities)]


def _compact(entity: Entity) -> Entity:
    """As RO-Crate recommends: one value is no list, and no value is no key."""
    compact = {}
    for key, value in entity.items():
        if isinstance(value, list) and len(value) < 2:
            if value:
                compact[key] = value[0]
        elif value is not None:
            compact[key] = value
    return compact


def end_of(record: Record) -> str:
    """When a job ended, ISO 8601."""
    started = datetime.datetime.fromisoformat(record["started"])
    return (started + datetime.timedelta(seconds=record["seconds"])).isoformat(timespec="seconds")


class _Crate:
    def __init__(self, sidecars: Sequence[Record], config: Mapping[str, Any], root: str) -> None:
        self.sidecars = sidecars
        self.config = config
        self.root = Path(root)
        self.entities: dict[str, Entity] = {}
        self.parts: list[Entity] = []
        # Where an input was too large to hash, the job that made it has hashed it.
        self.hashes = {
            entry["path"]: entry["sha256"] for record in sidecars for entry in record["outputs"]
        }

    def add(self, identifier: str, types: str | list[str], /, **values: Any) -> Entity:
        """An entity; the first one of an id stays."""
        return self.entities.setdefault(identifier, {"@id": identifier, "@type": types, **values})

    def build(self, workflow_path: str, study_path: str) -> Entity:
        ends = [end_of(record) for record in self.sidecars]
        licence = self._licence(self.config.get("license"))
        authors = [self._author(author) for author in self.config.get("authors", [])]
        study = self._own(study_path, "The study file, complete: all that the study asks for")
        workflow = self._workflow(workflow_path, authors)
        jobs = [self._job(record, workflow, authors) for record in self.sidecars]
        results = [
            file
            for path, file in self._in_crate().items()
            if path.split("/")[0] in ("figures", "tables", "report")
        ]
        corpora = [self._corpus(name, entry) for name, entry in self.config["corpora"].items()]
        self._parameters(workflow, study, results)
        run = self.add(
            "#run",
            "CreateAction",
            name=f"The study {self.config['study']}",
            description=f"All jobs of the study {self.config['study']}, from corpora to report.",
            instrument=_reference(workflow),
            object=_references([study, *corpora]),
            result=_references(results),
            startTime=min(record["started"] for record in self.sidecars),
            endTime=max(ends),
            actionStatus=_DONE,
            agent=_references(authors),
        )
        engine = self._package("snakemake", self.sidecars[-1]["packages"]["snakemake"])
        organised = self.add(
            "#organize",
            "OrganizeAction",
            name="Snakemake's run of the jobs",
            instrument=_reference(engine),
            object=_references(control for _, control in jobs),
            result=_reference(run),
            startTime=run["startTime"],
            endTime=run["endTime"],
        )
        profiles = [
            self.add(iri, "CreativeWork", name=name, version=version)
            for iri, (name, version) in _PROFILES.items()
        ]
        self.add(
            "ro-crate-metadata.json",
            "CreativeWork",
            about={"@id": "./"},
            conformsTo=[{"@id": _CRATE}, {"@id": _WORKFLOW_CRATE}],
        )
        self.add(
            "ro-crate-preview.html",
            "CreativeWork",
            name="This research object as a page",
            about={"@id": "./"},
        )
        self.add(
            "./",
            "Dataset",
            name=self.config["title"],
            description=self.config.get("description", self.config["title"]),
            datePublished=max(ends),
            license=licence,
            author=_references(authors),
            mainEntity=_reference(workflow),
            conformsTo=_references(profiles),
            hasPart=_references(self.parts),
            mentions=_references([run, organised, *(action for action, _ in jobs)]),
        )
        return {
            "@context": [
                f"{_CRATE}/context",
                "https://w3id.org/ro/terms/workflow-run/context",
            ],
            "@graph": [_compact(self.entities[name]) for name in sorted(self.entities)],
        }

    # --- people, licences, software ---------------------------------------------------------

    def _licence(self, licence: str | None) -> Any:
        if licence is None:
            return "No licence was given for the results; all rights reserved."
        if licence.startswith("http"):
            return _reference(self.add(licence, "CreativeWork", name=licence))
        iri = f"https://spdx.org/licenses/{licence}"
        return _reference(self.add(iri, "CreativeWork", name=licence, identifier=licence))

    def _author(self, author: Mapping[str, str]) -> Entity:
        affiliation = None
        if "affiliation" in author:
            name = author["affiliation"]
            place = self.add(f"#organization-{hash8(name)}", "Organization", name=name)
            affiliation = _reference(place)
        identifier = author.get("orcid", f"#person-{hash8(author['name'])}")
        return self.add(identifier, "Person", name=author["name"], affiliation=affiliation)

    def _package(self, name: str, version: str) -> Entity:
        # A package URL (ECMA-427): where packages come from differs from site to site.
        kind = "generic" if name in ("python", "spoofscope") else "pypi"
        plain = re.sub(r"[-_.]+", "-", name).lower()
        identifier = f"pkg:{kind}/{plain}@{quote(version, safe='')}"
        return self.add(
            identifier,
            "SoftwareApplication",
            name=name,
            softwareVersion=version,
            identifier=identifier,
        )

    def _workflow(self, path: str, authors: Sequence[Entity]) -> Entity:
        latest = self.sidecars[-1]
        self.add(
            _SNAKEMAKE,
            "ComputerLanguage",
            name="Snakemake",
            alternateName="snakemake",
            version=latest["packages"]["snakemake"],
            identifier={"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
            url={"@id": "https://snakemake.readthedocs.io"},
        )
        commits = sorted({str(record["git"]["commit"]) for record in self.sidecars})
        workflow = self._own(path, "Snakefile of spoofscope")
        workflow["@type"] = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        workflow.update(
            name="spoofscope",
            description="From one study file to every score, table, figure and explanation of a "
            "speech-deepfake-detection paper. The rest of the code is in the commit that `version` "
            "names.",
            version=", ".join(commits),
            programmingLanguage={"@id": _SNAKEMAKE},
            license=_reference(self.add(_MIT, "CreativeWork", name="MIT", identifier="MIT")),
            creator=_references(authors),
            hasPart=[],
            step=[],
        )
        return workflow

    def _parameters(self, workflow: Entity, study: Entity, results: Sequence[Entity]) -> None:
        """The formal parameters of the workflow: the study file, and what it publishes."""
        study_file = self._parameter("study-file", "File", [study], "The study file")
        given = self._parameter("results", "File", results, "Figures, tables and the report")
        workflow["input"] = [_reference(study_file)]
        workflow["output"] = [_reference(given)]

    def _parameter(
        self, name: str, kind: str, examples: Sequence[Entity], description: str
    ) -> Entity:
        parameter = self.add(
            f"#parameter-{name}",
            "FormalParameter",
            name=name,
            description=description,
            additionalType=kind,
            valueRequired=True,
            workExample=_references(examples),
        )
        for example in examples:
            example["exampleOfWork"] = _reference(parameter)
        return parameter

    # --- data --------------------------------------------------------------------------------

    def _in_crate(self) -> dict[str, Entity]:
        return {part["@id"]: part for part in self.parts}

    def _own(self, path: str, description: str) -> Entity:
        """A file that the job itself puts into the crate."""
        name = Path(path).relative_to(self.root).as_posix()
        file = self.add(
            name,
            "File",
            name=name,
            description=description,
            encodingFormat=_FORMATS.get(Path(path).suffix, "text/plain"),
        )
        self.parts.append(file)
        return file

    def _file(self, entry: Record) -> Entity:
        """A file of a job: one of the crate, or one that is known by its content alone."""
        path = Path(entry["path"])
        sha256 = entry.get("sha256") or self.hashes.get(entry["path"])
        size = str(entry["bytes"])
        if path.is_relative_to(self.root) and path.exists():
            name = path.relative_to(self.root).as_posix()
            if name not in self.entities:
                self.parts.append(
                    self.add(
                        name,
                        "File",
                        name=name,
                        contentSize=size,
                        sha256=sha256,
                        encodingFormat=_FORMATS.get(path.suffix, "application/octet-stream"),
                    )
                )
            return self.entities[name]
        if sha256 is None:
            identifier = f"#file-{hash8(entry['path'])}"
        else:
            # RFC 6920: a name for a content, wherever it lies.
            digest = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
            identifier = f"ni:///sha-256;{digest}"
        return self.add(
            identifier,
            "CreativeWork",
            name=os.path.relpath(path),
            description="Not part of this research object: an input, a download or a file that was "
            "deleted when it had been used.",
            contentSize=size,
            sha256=sha256,
        )

    def _corpus(self, name: str, entry: Mapping[str, Any]) -> Entity:
        manifest = f"{self.root}/manifests/{name}.tsv"
        return self.add(
            f"#corpus-{name}",
            "CreativeWork",
            additionalType="Dataset",
            name=f"corpus {name}",
            description=canonical_json(
                # Where it lies on this machine says nothing elsewhere.
                {key: value for key, value in entry.items() if key != "path"}
            ),
            sha256=self.hashes.get(manifest),
            isBasedOn=[_reference(self._download(archive)) for archive in entry.get("archives", [])]
            or None,
            hasPart=[_reference(part) for part in self._recordings(name)] or None,
        )

    def _recordings(self, corpus: str) -> Iterator[Entity]:
        """The recordings of a corpus: the folder that they were read from, and their digest."""
        for record in self.sidecars:
            if "recordings" in record and record["parameters"].get("corpus") == corpus:
                read = record["recordings"]
                yield self.add(
                    f"#recordings-{corpus}",
                    "CreativeWork",
                    additionalType="Dataset",
                    # The folders above it say nothing elsewhere.
                    name=f"recordings of corpus {corpus}, folder {Path(read['folder']).name}",
                    description="The SHA-256 is over the relative names and the SHA-256 of the "
                    "contents of all recordings; the manifest lists the latter.",
                    size=f"{read['files']} files",
                    sha256=read["sha256"],
                )

    def _download(self, archive: Mapping[str, str]) -> Entity:
        checksums = {kind: archive[kind] for kind in ("sha256", "md5") if kind in archive}
        return self.add(archive["url"], "CreativeWork", name=archive["url"], **checksums)

    def _backbone(self, entry: Mapping[str, Any]) -> Entity | None:
        """A published backbone; a tiny random one is made from settings alone."""
        if "hub" not in entry:
            return None
        revision = entry["revision"]
        return self.add(
            f"https://huggingface.co/{entry['hub']}/tree/{revision}",
            "CreativeWork",
            name=f"backbone {entry['hub']}",
            version=revision,
        )

    # --- jobs --------------------------------------------------------------------------------

    def _tool(self, record: Record, workflow: Entity) -> tuple[Entity, Entity]:
        """The application behind a rule's jobs, and the step of the workflow that it is."""
        identifier = f"#rule-{record['rule']}-{record['code']}"
        known = identifier in self.entities
        tool = self.add(
            identifier,
            "SoftwareApplication",
            name=f"rule {record['rule']}",
            description=f"Code digest {record['code']}, commit {record['git']['commit']}.",
            softwareVersion=record["code"],
            softwareRequirements=_references(
                self._package(name, version) for name, version in record["packages"].items()
            ),
        )
        step = self.add(
            f"#step-{record['rule']}-{record['code']}",
            "HowToStep",
            name=record["rule"],
            workExample=_reference(tool),
        )
        if not known:
            workflow["hasPart"].append(_reference(tool))
            workflow["step"].append(_reference(step))
        return tool, step

    def _settings(self, record: Record) -> list[Entity]:
        settings = {
            key: value
            for key, value in record["parameters"].items()
            # The study file is an input of its own.
            if key not in ("code", "upstream", "config", "root", "folder", "work", "recordings")
        }
        return [
            self.add(
                f"#setting-{hash8([key, value])}",
                "PropertyValue",
                name=key,
                value=value if isinstance(value, str | int | float) else canonical_json(value),
            )
            for key, value in settings.items()
            if value is not None
        ]

    def _job(
        self, record: Record, workflow: Entity, authors: Sequence[Entity]
    ) -> tuple[Entity, Entity]:
        tool, step = self._tool(record, workflow)
        name = f"{record['rule']}-{hash8(first_output(record))}"
        used = [self._file(entry) for entry in record["inputs"]]
        parameters = record["parameters"]
        if record["rule"] == "manifest":
            used.append(self._corpus(parameters["corpus"], parameters["settings"]))
        if record["rule"] == "download":
            used.append(self._download(parameters["archive"]))
        fetching = record["rule"] in ("backbone", "recogniser")
        if fetching and (published := self._backbone(parameters["entry"])):
            used.append(published)
        git = record["git"]
        changes = " with uncommitted changes" if git["dirty"] else ""
        wildcards = " ".join(str(value) for value in record["wildcards"].values())
        action = self.add(
            f"#job-{name}",
            "CreateAction",
            name=f"{record['rule']} {wildcards}".strip(),
            description=f"Commit {git['commit']}{changes}, on {record['device']}.",
            instrument=_reference(tool),
            object=_references([*used, *self._settings(record)]),
            result=_references(self._file(entry) for entry in record["outputs"]),
            startTime=record["started"],
            endTime=end_of(record),
            actionStatus=_DONE,
            agent=_references(authors),
        )
        control = self.add(
            f"#control-{name}",
            "ControlAction",
            name=f"starting {action['name']}",
            instrument=_reference(step),
            object=_reference(action),
        )
        return action, control
