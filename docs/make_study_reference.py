"""Prints docs/study_file.md: every key of a study file, from the schema, and every default, from
the code that has it.

After the schema or an option was changed:
`.venv/bin/python docs/make_study_reference.py > docs/study_file.md`
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

Config = dict[str, Any]

INTRODUCTION = """\
# The study file

Generated from `src/spoofscope/study/study.schema.yaml` and from the defaults in the code by
`.venv/bin/python docs/make_study_reference.py > docs/study_file.md`; a test holds it to both.

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


def defaults_of_components() -> dict[str, Config]:
    """Definition of the schema to the options that the component really has.

    Front-ends and back-ends are built, so this is what they read and not what somebody wrote.
    """
    from spoofscope.attribution.explain import ExplainOptions
    from spoofscope.augmentation.rawboost import Constants
    from spoofscope.backends import registry as backends
    from spoofscope.components import REQUIRED
    from spoofscope.corpora import registry as corpora
    from spoofscope.fingerprints.means import Options as FingerprintOptions
    from spoofscope.frontends import registry as frontends
    from spoofscope.frontends.backbones import fetch_backbone
    from spoofscope.layers.costs import CostOptions
    from spoofscope.layers.probes import ProbeOptions
    from spoofscope.training.recipe import resolve_recipe
    from spoofscope.windows import InputPolicy

    found: dict[str, Config] = {}
    for name in corpora.CORPORA.available():
        options = {"type": name, **({"file": "x.csv"} if name == "table" else {})}
        corpus = corpora.build(options, Path("nowhere"), key=name)
        found[f"corpus_{name}"] = {**corpus.options, **dict.fromkeys(options, REQUIRED)}
    with tempfile.TemporaryDirectory() as folder:
        fetch_backbone({"family": "wavlm", "tiny": {}}, folder, 1)
        for name in frontends.FRONT_ENDS.available():
            options = {"type": name}
            if name == "ssl":
                options["backbone"] = {"family": "wavlm", "folder": folder}
            frontend = frontends.build(options)
            found[f"frontend_{name}"] = {**frontend.config, **dict.fromkeys(options, REQUIRED)}
    for name in backends.BACK_ENDS.available():
        sizes = {"n_channels": 1, "dim": 256, "n_frames": 1000}
        config = backends.build({"type": name}, **sizes).config
        found[f"backend_{name}"] = {**config, "type": REQUIRED}
    recipe = resolve_recipe({}).to_dict()
    (stage,) = recipe.pop("stages")
    # Resolved, the learning rate of the front-end is that of the back-end.
    stage["lr_frontend"] = None
    found["stage"] = stage
    found["recipe"] = {**stage, **recipe, "stages": None}
    found["input"] = InputPolicy().to_dict()
    found["probe"] = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(ProbeOptions)
    }
    found["fingerprints"] = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(FingerprintOptions)
    }
    found["costs"] = {field.name: field.default for field in fields(CostOptions)}
    found["attribution"] = {field.name: field.default for field in fields(ExplainOptions)}
    found["effect_rawboost"] = {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in fields(Constants)
        if field.default is not MISSING
    }
    return {
        name: {key: value for key, value in options.items() if value is not REQUIRED}
        for name, options in found.items()
    }


def type_of(schema: Config, definitions: Mapping[str, Config]) -> str:
    """The type of a value in words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        if name in ("input", "recipe", "attribution", "noise", "trials", "costs"):
            return f"[{name}](#{name})"
        return type_of(definitions[name], definitions)
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
            items = schema.get("items", {})
            named = items.get("$ref", "").removeprefix("#/$defs/")
            inner = (
                f"[{named}](#{named})"
                if named in ("stage", "source", "scored", "trials", "matched", "tandem")
                else (type_of(items, definitions))
            )
            word = f"list of {inner}"
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
    schema: Config, definitions: Mapping[str, Config], defaults: Config, prefix: str = ""
) -> Iterator[list[str]]:
    """One row per key, nested mappings after their key."""
    for key, value in schema.get("properties", {}).items():
        default = "**required**" if key in schema.get("required", []) else "-"
        if key in defaults:
            default = f"`{json.dumps(defaults[key])}`"
        yield [f"`{prefix}{key}`", type_of(value, definitions), default, value["description"]]
        for nested, mark in ((value, "."), (value.get("items", {}), "[].")):
            yield from rows_of(nested, definitions, {}, f"{prefix}{key}{mark}")


def table(schema: Config, definitions: Mapping[str, Config], defaults: Config) -> str:
    """A Markdown table of all keys of a mapping."""
    lines = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for row in rows_of(schema, definitions, defaults):
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    """The page."""
    import yaml

    path = ROOT / "src/spoofscope/study/study.schema.yaml"
    schema: Config = yaml.safe_load(path.read_text(encoding="utf-8"))
    definitions = schema["$defs"]
    defaults = defaults_of_components()
    parts = [INTRODUCTION, "## Top level\n", table(schema, definitions, {})]

    def section(title: str, text: str, *names: str) -> None:
        parts.append(f"## {title}\n")
        parts.append(f"{text}\n")
        for name in names:
            heading = re.sub("^(backend|corpus|effect|frontend)_", "", name)
            if len(names) > 1 or heading != title:
                parts.append(f"### {heading}\n")
            if "description" in definitions[name]:
                parts.append(f"{definitions[name]['description']}\n")
            parts.append(table(definitions[name], definitions, defaults.get(name, {})))

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
        "detector",
        "pretrained",
        "external_scores",
        *of("backend"),
        "input",
        "source",
        "recipe",
        "stage",
    )
    section(
        "What follows",
        "Scoring, fusion, layers, fingerprints, tandem costs, explanation.",
        "scored",
        "trials",
        "matched",
        "fusion",
        "probe",
        "costs",
        "fingerprints",
        "tandem",
        "attribution",
    )
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(reference())
