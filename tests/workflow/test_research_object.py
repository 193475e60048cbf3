"""The RO-Crate of a finished study: valid, complete, and about the files that are there."""

import json
from pathlib import Path

import pytest
import yaml
from rocrate.rocrate import ROCrate

from spoofscope.files import sha256_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

METADATA = "ro-crate-metadata.json"

# It stands on, and the validator checks with it: RO-Crate 1.1, Process Run Crate 0.5, Workflow
# RO-Crate 1.0 and Workflow Run Crate 0.5.
PROFILE = "provenance-run-crate-0.5"

# What the contexts of RO-Crate 1.1 and of the Workflow Run terms say about the words that are used
# here. They lie on the network, and the tests do not reach for it.
_BIOSCHEMAS = "https://bioschemas.org/"
CONTEXTS = {
    "https://w3id.org/ro/crate/1.1/context": {
        "@vocab": "http://schema.org/",
        "File": "http://schema.org/MediaObject",
        "ComputationalWorkflow": f"{_BIOSCHEMAS}ComputationalWorkflow",
        "FormalParameter": f"{_BIOSCHEMAS}FormalParameter",
        "input": f"{_BIOSCHEMAS}ComputationalWorkflow#input",
        "output": f"{_BIOSCHEMAS}ComputationalWorkflow#output",
        "conformsTo": "http://purl.org/dc/terms/conformsTo",
    },
    "https://w3id.org/ro/terms/workflow-run/context": {
        "sha256": "https://w3id.org/ro/terms/workflow-run#sha256"
    },
}
# These two fetch the contexts, and nothing else.
NEEDS_NETWORK = ["ro-crate-1.1_3.1", "ro-crate-1.1_3.2"]


def graph_of(folder: Path) -> dict[str, dict]:
    graph = json.loads((folder / METADATA).read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    return entities


def values(entity: dict, key: str) -> list:
    value = entity.get(key, [])
    return value if isinstance(value, list) else [value]


def of_type(entities: dict[str, dict], kind: str) -> list[dict]:
    return [entity for entity in entities.values() if kind in values(entity, "@type")]


@pytest.fixture(scope="module")
def crate(mini) -> Path:
    return mini.folder / "results/mini"


def test_others_can_read_it(crate):
    read = ROCrate(crate)
    assert read.mainEntity.id == "provenance/Snakefile"
    assert read.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    conforms = {profile.id for profile in read.root_dataset["conformsTo"]}
    assert "https://w3id.org/ro/wfrun/workflow/0.5" in conforms
    assert len(read.data_entities) > 100


@pytest.fixture
def validated(monkeypatch):
    """Hold a crate to a profile: what the validator says against it."""
    from rdflib.plugins.shared.jsonld.context import Context
    from rocrate_validator import models, services

    monkeypatch.setattr(
        Context, "_fetch_context", lambda self, source, *_: {"@context": CONTEXTS[source]}
    )

    def validate(folder: Path) -> list[str]:
        settings = services.ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier=PROFILE,
            requirement_severity=models.Severity.REQUIRED,
            skip_checks=NEEDS_NETWORK,
            no_cache=True,
        )
        result = services.validate(settings)
        return [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]

    return validate


def test_it_is_valid(crate, validated):
    assert validated(crate) == []


def test_the_validator_sees_what_is_wrong(tiny, validated, tmp_path):
    """Of every profile one rule is broken, and each is reported as that profile's."""
    graph = json.loads((tiny.folder / "results/tiny" / METADATA).read_text())
    entities = {entity["@id"]: dict(entity) for entity in graph["@graph"]}
    (tmp_path / METADATA).write_text(json.dumps(graph))
    # The other files are not here.
    before = set(validated(tmp_path))
    action = next(name for name in entities if name.startswith("#job-train"))
    del entities["./"]["license"]
    del entities[action]["instrument"]
    del entities["provenance/Snakefile"]["programmingLanguage"]
    del entities["#parameter-results"]["additionalType"]
    del entities["#organize"]["result"]
    (tmp_path / METADATA).write_text(json.dumps({**graph, "@graph": list(entities.values())}))
    broken = {issue.partition("_")[0] for issue in set(validated(tmp_path)) - before}
    assert broken == {
        "ro-crate-1.1",
        "process-run-crate-0.5",
        "workflow-ro-crate-1.0",
        "workflow-run-crate-0.5",
        PROFILE,
    }


def test_nothing_is_named_that_is_not_there(crate):
    entities = graph_of(crate)
    for entity in entities.values():
        for key, value in entity.items():
            for reference in value if isinstance(value, list) else [value]:
                if isinstance(reference, dict) and key not in ("conformsTo", "identifier", "url"):
                    assert reference["@id"] in entities, (entity["@id"], key)
    for part in values(entities["./"], "hasPart"):
        assert (crate / part["@id"]).is_file(), part["@id"]
    hashed = [entity for entity in of_type(entities, "File") if "sha256" in entity]
    assert len(hashed) > 100
    for entity in hashed:
        assert sha256_file(crate / entity["@id"]) == entity["sha256"]
        assert (crate / entity["@id"]).stat().st_size == int(entity["contentSize"])


def test_every_job_is_an_action(mini, crate):
    sidecars = [json.loads(path.read_text()) for path in mini.folder.rglob("*.origin.json")]
    entities = graph_of(crate)
    actions = {e["@id"]: e for e in of_type(entities, "CreateAction")}
    run = actions.pop("#run")
    # All but the job that writes the crate.
    assert len(actions) == len(sidecars) - 1
    assert {e["object"]["@id"] for e in of_type(entities, "ControlAction")} == set(actions)
    assert run["startTime"] == min(action["startTime"] for action in actions.values())
    for action in actions.values():
        assert action["startTime"] <= action["endTime"] <= run["endTime"]
        tool = entities[action["instrument"]["@id"]]
        assert tool["name"].startswith("rule ")
    trained = [a for a in actions.values() if a["name"].startswith("train ")]
    for action in trained:
        settings = {
            entities[used["@id"]]["name"]: entities[used["@id"]]["value"]
            for used in action["object"]
            if entities[used["@id"]]["@type"] == "PropertyValue"
        }
        assert "recipe" in json.loads(settings["settings"])
    packages = {e["name"]: e["softwareVersion"] for e in of_type(entities, "SoftwareApplication")}
    assert packages["torch"] == sidecars[0]["packages"]["torch"]


def test_study_file_in_it_makes_the_same_study(mini):
    """The study file in the crate is complete: with it, everything is fresh."""
    assert mini.plan("all", "--configfile", "results/mini/provenance/study.yaml") == []


def test_people_licence_and_downloads(tiny_copy):
    """What the study file says of authors, licence and archives is in the crate and on the page."""
    study = yaml.safe_load((tiny_copy.folder / "study.yaml").read_text())
    study["authors"] = [
        {
            "name": "Ada Example",
            "affiliation": "University of Somewhere",
            "orcid": "https://orcid.org/0000-0002-1825-0097",
        },
        {"name": "<b>Bob</b>"},
    ]
    study["license"] = "CC-BY-4.0"
    tiny_copy.make("provenance", "--configfile", tiny_copy.write_study(study))
    folder = tiny_copy.folder / "results/tiny"
    entities = graph_of(folder)
    root = entities["./"]
    assert [entities[a["@id"]]["name"] for a in root["author"]] == ["Ada Example", "<b>Bob</b>"]
    assert root["license"] == {"@id": "https://spdx.org/licenses/CC-BY-4.0"}
    assert entities["#run"]["agent"] == root["author"]
    page = (folder / "ro-crate-preview.html").read_text()
    assert "Ada Example (University of Somewhere)" in page
    assert "<b>Bob</b>" not in page
    assert "CC-BY-4.0" in page
