"""A study file against its schema: what breaks it is said in one line, with what would be valid.

Imported while the workflow is parsed: jsonschema only where a study is checked.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from spoofscope.checkout import CHECKOUT
from spoofscope.errors import ConfigError
from spoofscope.options import nearest
from spoofscope.options.backbones import Backbone
from spoofscope.options.components import KINDS
from spoofscope.options.declared import definition, definition_name, inner_options
from spoofscope.options.detectors import Detector, ExternalScores, Pretrained
from spoofscope.options.study_file import StudyFile
from spoofscope.options.tracers import Tracer
from spoofscope.options.trials import NAME
from spoofscope.presets import values_of
from spoofscope.study.reading import path_text

MINI = CHECKOUT / "config" / "config.yaml"
"""The study file of the mini study."""

# Sections whose entries are checked against a definition of their own, chosen by one key.
_DISPATCH = {
    "corpora": ("type", "corpus"),
    "frontends": ("type", "frontend"),
    "aligners": ("type", "aligner"),
}

COMPONENTS = {
    f"{name}_{member}": (kind, member, cls)
    for name, kind in KINDS.items()
    for member, cls in kind.members.items()
}
"""The definitions of the schema that are entries of components, by their names."""

_ROOTS = (Detector, Pretrained, ExternalScores, Tracer, Backbone)

DECLARED = {definition_name(cls): cls for cls in _ROOTS} | inner_options(
    StudyFile, *_ROOTS, *(cls for _, _, cls in COMPONENTS.values())
)
"""The definitions of the schema that are classes of options, by their names."""

RENAMED_KEYS = {
    "systems": "attacks",
    "exclude_systems": "exclude_attacks",
    "per_system": "per_attack",
}
"""Former names of keys, which are refused with the name of today."""

Config = dict[str, Any]


@functools.cache
def schema() -> Config:
    """The JSON Schema of a study file, without descriptions."""
    entries = {
        name: kind.entry(member, definition(cls))
        for name, (kind, member, cls) in COMPONENTS.items()
    }
    declared = {name: definition(cls) for name, cls in DECLARED.items()}
    return {**definition(StudyFile), "$defs": {"name": NAME, **entries, **declared}}


def _explain(error: Any, prefix: str) -> str:
    where = path_text([*([prefix] if prefix else []), *error.absolute_path]) or "the study file"
    if error.validator == "additionalProperties":
        allowed = set(error.schema.get("properties", {}))
        unknown = next(key for key in error.instance if key not in allowed)
        if RENAMED_KEYS.get(unknown) in allowed:
            return f"{where}: unknown key {unknown!r}; it is called {RENAMED_KEYS[unknown]!r} now"
        # YAML 1.1 makes booleans of the words on, off, yes and no, and numbers of digits.
        hint = "" if isinstance(unknown, str) else " (in YAML, quote such a key to make it a text)"
        return f"{where}: unknown key {unknown!r}{hint}; {nearest(str(unknown), allowed)}"
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return f"{where}: key {missing[0]!r} is missing"
    if error.validator == "type":
        wanted = error.validator_value
        names = wanted if isinstance(wanted, str) else " or ".join(wanted)
        hint = ""
        if isinstance(error.instance, float) and "integer" in names and "string" not in names:
            hint = f" (write {error.instance:.0f})" if error.instance.is_integer() else ""
        elif isinstance(error.instance, str) and "number" in names:
            hint = " (in YAML write 1.0e-3, not 1e-3, for a number)"
        elif isinstance(error.instance, bool | int | float) and "string" in names:
            hint = " (in YAML, quote numbers and words such as yes and no to make them texts)"
        return f"{where}: expected {names}, found {error.instance!r}{hint}"
    if error.validator == "enum":
        value = str(error.instance)
        hint = nearest(value, [str(allowed) for allowed in error.validator_value])
        return f"{where}: {value!r} is not allowed; {hint}"
    if error.validator == "pattern":
        meaning = f"; it has to be {error.schema['title']}" if "title" in error.schema else ""
        return f"{where}: {error.instance!r} does not match {error.validator_value}{meaning}"
    # Messages of JSON Schema quote the whole value, which may be the whole file.
    return f"{where}: {error.message if len(error.message) < 300 else _short(error)}"


def _short(error: Any) -> str:
    """What a value breaks, where the value is too long to be quoted."""
    return f"the value breaks the rule {error.validator}: {error.validator_value}"[:300]


@functools.cache
def _validator() -> Any:
    """JSON Schema, but that 8000.0 is no integer, and that a pattern is about the whole text."""
    import jsonschema

    draft = jsonschema.Draft202012Validator

    def whole(checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    def pattern(validator: Any, wanted: str, value: Any, schema: Any) -> Iterator[Any]:
        # `$` also matches before a line break at the end.
        if isinstance(value, str) and not re.fullmatch(wanted, value):
            yield jsonschema.ValidationError(f"{value!r} does not match {wanted!r}")

    types = draft.TYPE_CHECKER.redefine("integer", whole)
    extend: Any = jsonschema.validators.extend
    return extend(draft, {"pattern": pattern}, type_checker=types)


def _check(instance: Any, definition: Config, prefix: str = "") -> None:
    combined = {**definition, "$defs": schema()["$defs"]}
    validator = _validator()(combined)
    # A misspelt key is both unknown and missing; the first of these says more.
    errors = sorted(
        validator.iter_errors(instance),
        key=lambda e: (len(e.absolute_path), e.validator != "additionalProperties", e.message),
    )
    if errors:
        raise ConfigError(_explain(errors[0], prefix))


@functools.cache
def check_preset(name: str) -> None:
    """Check the values of a training recipe with a name.

    Raises:
        ConfigError: as :func:`check_config`.
    """
    _check(values_of(name), schema()["$defs"]["recipe"], f"preset {name}")


def kind_of(entry: Mapping[str, Any]) -> str:
    """Where an entry of `detectors` gets its scores from, which is its definition in the schema.

    `detector`: it is trained; `pretrained`: its folder comes from elsewhere;
    `external_scores`: only its scores do. What is trained in section `tracers` is a `tracer`.
    """
    if "folder" in entry:
        return "pretrained"
    return "external_scores" if "scores" in entry else "detector"


def check_config(config: Mapping[str, Any]) -> None:
    """Check a study file against its schema.

    Raises:
        ConfigError: an unknown key (with the nearest valid one), a wrong type, a missing key, or a
            name that is used but not defined.
    """
    _check(config, {key: value for key, value in schema().items() if key != "$defs"})
    definitions = schema()["$defs"]

    def dispatch(entry: Any, key: str, kind: str, prefix: str) -> None:
        names = [
            name.removeprefix(f"{kind}_") for name in definitions if name.startswith(f"{kind}_")
        ]
        if key not in entry:
            raise ConfigError(f"{prefix}: key {key!r} is missing; {nearest('', names)}")
        name = str(entry[key])
        if name not in names:
            raise ConfigError(f"{prefix}.{key}: {name!r} is not known; {nearest(name, names)}")
        _check(entry, definitions[f"{kind}_{name}"], prefix)

    for section, (key, kind) in _DISPATCH.items():
        for name, entry in config.get(section, {}).items():
            dispatch(entry, key, kind, f"{section}.{name}")
    for name, detector in config.get("detectors", {}).items():
        _check(detector, definitions[kind_of(detector)], f"detectors.{name}")
        if "backend" not in detector:
            continue
        dispatch(detector["backend"], "type", "backend", f"detectors.{name}.backend")
        if "objective" in detector:
            dispatch(detector["objective"], "type", "detection", f"detectors.{name}.objective")
    for name, tracer in config.get("tracers", {}).items():
        _check(tracer, definitions["tracer"], f"tracers.{name}")
        dispatch(tracer["backend"], "type", "backend", f"tracers.{name}.backend")
        if "objective" in tracer:
            dispatch(tracer["objective"], "type", "objective", f"tracers.{name}.objective")
    for name, entry in config.get("tracing", {}).get("ood", {}).items():
        dispatch(entry, "type", "ood", f"tracing.ood.{name}")
        for i, member in enumerate(entry.get("members", [])):
            dispatch(member, "type", "ood", f"tracing.ood.{name}.members[{i}]")
    for name, entry in config.get("masking", {}).get("masks", {}).items():
        dispatch(entry, "type", "mask", f"masking.masks.{name}")
    for name, steps in config.get("chains", {}).items():
        for i, step in enumerate(steps):
            dispatch(step, "effect", "effect", f"chains.{name}[{i}]")


def check_components(config: Mapping[str, Any]) -> None:
    """Check what no single option of a component says, in a study file that fits the schema.

    Raises:
        ConfigError: options that do not go together.
    """
    for name, entry in config["corpora"].items():
        KINDS["corpus"].options(entry, f"corpora.{name}")
    for name, entry in config.get("frontends", {}).items():
        KINDS["frontend"].options(entry, f"frontends.{name}")
    for name, entry in config.get("aligners", {}).items():
        KINDS["aligner"].options(entry, f"aligners.{name}")
    for section, objectives in (("detectors", "detection"), ("tracers", "objective")):
        for name, entry in config.get(section, {}).items():
            if "backend" in entry:
                KINDS["backend"].options(entry["backend"], f"{section}.{name}.backend")
            if "objective" in entry:
                KINDS[objectives].options(entry["objective"], f"{section}.{name}.objective")
    for name, steps in config.get("chains", {}).items():
        for i, step in enumerate(steps):
            KINDS["effect"].options(step, f"chains.{name}[{i}]")
    for name, entry in config.get("tracing", {}).get("ood", {}).items():
        KINDS["ood"].options(entry, f"tracing.ood.{name}")
    for name, entry in config.get("masking", {}).get("masks", {}).items():
        KINDS["mask"].options(entry, f"masking.masks.{name}")
