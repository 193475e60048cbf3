"""Writes docs/study_file.md, every key of a study file, and its JSON Schema, from the options that
are declared in `spoofscope.options`.

After an option was changed: `.venv/bin/python docs/make_study_reference.py`
"""

import copy
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"

Config = dict[str, Any]

INTRODUCTION = """\
# The study file

Generated from the options that the code declares, by `.venv/bin/python
docs/make_study_reference.py`; a test holds it to them. `workflow/schemas/config.schema.yaml` is the
same as JSON Schema.

A study file is YAML. `config/config.yaml`, the mini study, is a complete example. An unknown key, a
wrong type, a name that nothing defines or a key given twice stops the workflow before any job
starts; the message names the line, the place and the nearest valid key.

Only `study` and `corpora` are required: what a study does not use is left out. A `~` at the
beginning of a path is the home folder.

Two traps of YAML: a number needs a point before its exponent (`1.0e-3`, because `1e-3` is a text),
and the words `on`, `off`, `yes` and `no` are booleans unless they are quoted.

Names that you choose (of corpora, detectors and so on) are lower-case letters, digits and
underscores, beginning with a letter; one entry can stand for many, see
[studies.md](studies.md). **Required** keys are marked; "-" means that there is no
default and the key may be left out.

A trained detector lies under `detectors/{name}-{hash}/seed{seed}`. The hash covers everything here
that reaches the weights; it does not cover where data lie, training seeds, or anything that comes
after the training. `tables/runs.tsv` of a study says which hash stands for what.
"""


DETECTORS = ("detector", "pretrained", "external_scores")
TRAINING = ("input", "source", "recipe", "stage")
ANALYSES = (
    "scored",
    "trials",
    "matched",
    "fusion",
    "disagreement",
    "probe",
    "costs",
    "fingerprints",
    "tracing",
    "verification",
    "tandem",
    "attribution",
    "annotation",
    "masking",
    "shortcuts",
    "cue",
    "robustness",
)
SECTIONS = {"noise", "copy", "backbone", "tracer", *DETECTORS, *TRAINING, *ANALYSES}
"""Definitions with a table of their own; the keys of others stand below the key that has them."""


def whole_schema() -> Config:
    """The JSON Schema of study files, with a description and the default of every key."""
    from spoofscope.options.declared import definition, filled, sentences
    from spoofscope.options.study_file import StudyFile
    from spoofscope.study.schema import COMPONENTS, DECLARED, schema

    def is_shown(default: Any, value: Config) -> bool:
        # Those of mappings stand beside their keys, but where they are not the usual ones.
        if isinstance(default, dict):
            inner = DECLARED.get(value.get("$ref", "").removeprefix("#/$defs/"))
            return default not in ({}, filled({}, inner) if inner else {})
        return default != []

    def described(cls: Any) -> Config:
        entry, texts, defaults = definition(cls), sentences(cls), filled({}, cls)
        assert texts.keys() == entry["properties"].keys(), cls
        for key, value in entry["properties"].items():
            value["description"] = texts[key]
            # Options that may be null stand inside of those around them.
            if "properties" in value:
                value["properties"] = described(DECLARED[key])["properties"]
            if key in defaults and is_shown(defaults[key], value):
                value["default"] = defaults[key]
        return {"description": " ".join(cls.__doc__.split()), **entry}

    definitions = copy.deepcopy(schema()["$defs"])
    definitions |= {
        name: kind.entry(member, described(cls)) for name, (kind, member, cls) in COMPONENTS.items()
    }
    definitions |= {name: described(cls) for name, cls in DECLARED.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Study file",
        **described(StudyFile),
        "$defs": definitions,
    }


def own_section(schema: Config) -> str | None:
    """The section of the page that a value refers to."""
    name: str = schema.get("$ref", "").removeprefix("#/$defs/")
    return name if name in SECTIONS else None


def type_of(schema: Config, definitions: Mapping[str, Config]) -> str:
    """The type of a value in words."""
    if name := own_section(schema):
        return f"[{name}](#{name})"
    if "$ref" in schema:
        return type_of(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join("null" if value is None else f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    words = []
    for kind in kinds:
        word = {"object": "mapping", "integer": "whole number", "string": "text"}.get(kind, kind)
        if kind == "array":
            word = f"list of {type_of(schema.get('items', {}), definitions)}"
        words.append(word)
    text = " or ".join(words)
    for key, sign in (
        ("minimum", "≥"),
        ("exclusiveMinimum", ">"),
        ("maximum", "≤"),
        ("exclusiveMaximum", "<"),
    ):
        # That a count is not negative goes without saying.
        if key in schema and (key, schema[key]) != ("minimum", 0):
            text += f" {sign} {schema[key]}"
    return text


def rows_of(
    schema: Config, definitions: Mapping[str, Config], prefix: str = ""
) -> Iterator[list[str]]:
    """One row per key, required ones first, and nested mappings after their key."""
    needed = schema.get("required", [])
    for key, value in sorted(
        schema.get("properties", {}).items(), key=lambda e: e[0] not in needed
    ):
        default = "**required**" if key in needed else "-"
        if "default" in value:
            default = f"`{json.dumps(value['default'])}`"
        yield [f"`{prefix}{key}`", type_of(value, definitions), default, value["description"]]
        values = value.get("additionalProperties") or {}
        for nested, mark in ((value, "."), (value.get("items", {}), "[]."), (values, ".NAME.")):
            if nested and not own_section(nested):
                name = nested.get("$ref", "").removeprefix("#/$defs/")
                inner = definitions[name] if name else nested
                yield from rows_of(inner, definitions, f"{prefix}{key}{mark}")


def table(schema: Config, definitions: Mapping[str, Config]) -> str:
    """A Markdown table of all keys of a mapping."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for row in rows_of(schema, definitions):
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


def as_yaml(schema: Config) -> str:
    """The text of the file in which the Snakemake workflow catalog looks for the schema."""
    import yaml

    # Through JSON, so that nothing is an alias of something else.
    text = yaml.safe_dump(json.loads(json.dumps(schema)), sort_keys=False, width=100)
    return f"# Generated by docs/make_study_reference.py.\n{text}"


def reference() -> str:
    """The page."""
    schema = whole_schema()
    definitions = schema["$defs"]
    parts = [INTRODUCTION, "## Top level\n", table(schema, definitions)]

    def section(title: str, text: str, *names: str) -> None:
        parts.append(f"## {title}\n")
        parts.append(f"{text}\n")
        for name in names:
            heading = re.sub(
                "^(aligner|backend|corpus|detection|effect|frontend|objective|ood)_", "", name
            )
            if len(names) > 1 or heading != title:
                parts.append(f"### {heading}\n")
            if "description" in definitions[name]:
                parts.append(f"{definitions[name]['description']}\n")
            parts.append(table(definitions[name], definitions))

    def of(kind: str) -> list[str]:
        return [name for name in definitions if name.startswith(f"{kind}_")]

    section("corpora", "Name to corpus; `type` chooses the reader.", *of("corpus"))
    section("Noise and augmentation", "See augmentation.md.", "noise", *of("effect"), "copy")
    section("backbones", "Exactly one of `hub`, `folder` and `tiny`.", "backbone")
    section("frontends", "Name to front-end; `type` chooses it.", *of("frontend"))
    section(
        "detectors",
        "Front-end, back-end, input policy and training; or `pretrained` or `external_scores`, see "
        "[studies.md](studies.md).",
        *DETECTORS,
        *of("backend"),
        *of("detection"),
        *TRAINING,
    )
    section("aligners", "Name to aligner, see [alignment.md](alignment.md).", *of("aligner"))
    section(
        "tracers",
        "Name to tracer, see [tracing.md](tracing.md); `type` chooses its objective, and the "
        "detectors of unknown attacks in `tracing.ood`.",
        "tracer",
        *of("objective"),
        *of("ood"),
    )
    section(
        "What follows",
        "Scoring, fusion, layers, fingerprints, source tracing, tandem costs, explanation, labels, "
        "masks, shortcuts, laundering.",
        *ANALYSES,
    )
    section("Masks", "Name to mask; `type` chooses it, see masking.md.", *of("mask"))
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs/study_file.md").write_text(reference(), encoding="utf-8")
    SCHEMA.write_text(as_yaml(whole_schema()), encoding="utf-8")
