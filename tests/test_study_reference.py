"""The schema, the documentation of the study file and the library know the same options."""

import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from spoofscope.augmentation.registry import EFFECTS, build
from spoofscope.backends.registry import BACK_ENDS
from spoofscope.corpora.registry import CORPORA
from spoofscope.frontends.registry import FRONT_ENDS
from spoofscope.options.components import CORPORA as CORPORA_OPTIONS
from spoofscope.study import MINI
from spoofscope.study.reading import read_config

ROOT = Path(__file__).resolve().parents[1]
SCHEMA: dict[str, Any] = yaml.safe_load(
    (ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8")
)
DEFINITIONS = SCHEMA["$defs"]

# What the workflow reads itself before the component is built.
READ_BY_THE_WORKFLOW = {
    "frontend": {"type", "cache"},
    "backend": {"type"},
    "effect": {"effect", "probability"},
}


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "docs/make_study_reference.py"))


@pytest.fixture(scope="module")
def defaults(script) -> dict[str, dict[str, Any]]:
    return script["defaults_of_components"]()


def test_page_and_schema_are_current(script):
    page = (ROOT / "docs/study_file.md").read_text(encoding="utf-8")
    assert page == script["reference"](), "run: .venv/bin/python docs/make_study_reference.py"
    assert script["whole_schema"]() == SCHEMA, "run: .venv/bin/python docs/make_study_reference.py"


def test_the_schema_is_a_schema_that_the_mini_study_fits():
    import jsonschema

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(read_config(MINI), SCHEMA)


@pytest.mark.parametrize(
    ("kind", "registry"),
    [("corpus", CORPORA), ("frontend", FRONT_ENDS), ("backend", BACK_ENDS), ("effect", EFFECTS)],
)
def test_the_schema_knows_every_component_and_no_other(kind, registry):
    described = {n.removeprefix(f"{kind}_") for n in DEFINITIONS if n.startswith(f"{kind}_")}
    assert described == set(registry.available())


def names_of(definition: str) -> set[str]:
    kind = definition.split("_")[0]
    return set(DEFINITIONS[definition]["properties"]) - READ_BY_THE_WORKFLOW.get(kind, set())


def test_the_schema_has_the_options_of_every_component(defaults):
    for definition in sorted(defaults):
        expected = set(defaults[definition])
        required = set(DEFINITIONS[definition].get("required", []))
        expected |= required - READ_BY_THE_WORKFLOW.get(definition.split("_")[0], set())
        assert names_of(definition) == expected, definition


def test_every_default_is_a_value_that_the_schema_allows(defaults):
    import jsonschema

    for definition, options in defaults.items():
        for key, value in options.items():
            if value is None or key not in DEFINITIONS[definition]["properties"]:
                continue
            schema = {**DEFINITIONS[definition]["properties"][key], "$defs": DEFINITIONS}
            jsonschema.Draft202012Validator(schema).validate(value)


def test_corpora_are_told_what_the_schema_knows():
    for name, options in CORPORA_OPTIONS.items():
        assert CORPORA.member(name).declared is options, name


@pytest.mark.parametrize("name", ["musan", "rir", "codec", "time_mask", "noise_filter"])
def test_effects_refuse_what_the_schema_does_not_have(name, tmp_path):
    # These check their options before they look for folders.
    from spoofscope.errors import ConfigError

    options = {**dict.fromkeys(names_of(f"effect_{name}")), "zzz": 1}
    with pytest.raises(ConfigError, match=r"unknown key 'zzz'") as refused:
        build(name, options, {}, 16000)
    for option in names_of(f"effect_{name}"):
        assert f"unknown key {option!r}" not in str(refused.value)
        assert option in str(refused.value)


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
