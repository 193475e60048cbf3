"""The schema, the documentation of the study file and the library know the same options."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from spoofscope.augmentation.registry import EFFECTS
from spoofscope.backends.registry import BACK_ENDS
from spoofscope.corpora.registry import CORPORA
from spoofscope.frontends.registry import FRONT_ENDS
from spoofscope.options.components import KINDS
from spoofscope.study import MINI
from spoofscope.study.reading import read_config

ROOT = Path(__file__).resolve().parents[1]
SCHEMA: dict[str, Any] = yaml.load(
    (ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader
)
DEFINITIONS = SCHEMA["$defs"]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/make_study_reference.py"))


@pytest.mark.slow
def test_page_and_schema_are_current(script):
    page = (ROOT / "docs/study_file.md").read_text(encoding="utf-8")
    assert page == script["reference"](), "run: .venv/bin/python docs/make_study_reference.py"
    assert script["whole_schema"]() == SCHEMA, "run: .venv/bin/python docs/make_study_reference.py"


@pytest.mark.slow
def test_the_schema_is_a_schema_that_the_mini_study_fits():
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(read_config(MINI), SCHEMA)


REGISTRIES = {
    "corpus": CORPORA,
    "effect": EFFECTS,
    "frontend": FRONT_ENDS,
    "backend": BACK_ENDS,
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_components_are_told_what_study_files_may_say(kind: str):
    registry, members = REGISTRIES[kind], KINDS[kind].members
    assert set(members) == set(registry.available())
    for name, options in members.items():
        declared = registry.member(name).declared
        # The study's name of a backbone is resolved before the front-end is built.
        assert declared is options or (name == "ssl" and issubclass(options, declared)), name


def test_every_default_is_a_value_that_the_schema_allows():
    import jsonschema

    checker = jsonschema.Draft202012Validator
    for name, definition in DEFINITIONS.items():
        for key, schema in definition.get("properties", {}).items():
            if "default" in schema:
                errors = checker({**schema, "$defs": DEFINITIONS}).iter_errors(schema["default"])
                assert not list(errors), f"{name}.{key}"


def keys_without_description(schema: dict[str, Any], where: str) -> list[str]:
    missing = []
    for key, value in schema.get("properties", {}).items():
        if not value.get("description"):
            missing.append(f"{where}.{key}")
        missing += keys_without_description(value, f"{where}.{key}")
        missing += keys_without_description(value.get("items", {}), f"{where}.{key}[]")
    return missing


def test_every_key_is_described():
    missing = keys_without_description(SCHEMA, "study")
    for name, definition in DEFINITIONS.items():
        missing += keys_without_description(definition, name)
    assert not missing


def test_every_mapping_of_options_refuses_unknown_keys():
    free = [
        name
        for name, definition in DEFINITIONS.items()
        if definition.get("type") == "object"
        and definition.get("additionalProperties") is not False
    ]
    assert not free
