"""Options are declared once, and everything else is derived from the declaration."""

import ast
import copy
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import pytest

from spoofscope.errors import ConfigError
from spoofscope.options.attribution import AverageOptions, ExplainOptions
from spoofscope.options.declared import (
    Options,
    chosen,
    definition,
    filled,
    inner_options,
    option,
    option_names,
    optional,
    required,
    sentences,
)
from spoofscope.options.study_file import StudyFile
from spoofscope.plan.study_plan import checked
from spoofscope.study import MINI
from spoofscope.study.reading import read_config

SOURCE = Path(__file__).resolve().parents[1] / "src" / "spoofscope"


@dataclass(frozen=True, kw_only=True)
class Inner(Options):
    a: int = option(1)
    """A number."""


@dataclass(frozen=True, kw_only=True)
class Outer(Options):
    place: InitVar[str] = "outer"

    name: str = required()
    """Somebody's
    name."""
    share: float = option(0.5, minimum=0, exclusiveMaximum=1)
    """Of something."""
    kind: Literal["x", "y"] | None = option(None)
    """What it is."""
    counts: tuple[Annotated[int, {"minimum": 1}], ...] = option((1, 2), minItems=1)
    """Some numbers."""
    inner: Inner = option(Inner)
    """Others."""
    one: Inner = optional()
    """One more."""
    many: dict[str, tuple[Inner, ...]] = option(dict)
    """Many more."""


def test_everything_is_derived_from_the_fields():
    assert option_names(Outer) == ["name", "share", "kind", "counts", "inner", "one", "many"]
    assert sentences(Outer)["name"] == "Somebody's name."
    assert inner_options(Outer) == {"inner": Inner}
    inner = {"$ref": "#/$defs/inner"}
    assert definition(Outer) == {
        "type": "object",
        "additionalProperties": False,
        "required": ["name"],
        "properties": {
            "name": {"type": "string"},
            "share": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
            "kind": {"type": ["string", "null"], "enum": ["x", "y", None]},
            "counts": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}},
            "inner": inner,
            "one": inner,
            "many": {"type": "object", "additionalProperties": {"type": "array", "items": inner}},
        },
    }


def test_defaults_are_filled_in_as_plain_values():
    whole = {"share": 0.5, "kind": None, "counts": [1, 2], "inner": {"a": 1}, "many": {}}
    assert filled({}, Outer) == whole
    given = {"name": "n", "one": {}, "many": {"b": [{}, {"a": 2}]}}
    before = copy.deepcopy(given)
    assert filled(given, Outer) == {
        **whole,
        "name": "n",
        "one": {"a": 1},
        "many": {"b": [{"a": 1}, {"a": 2}]},
    }
    assert given == before
    assert filled(filled(given, Outer), Outer) == filled(given, Outer)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.0}, "outer: share must be a number of at least 0 and below 1, not 1.0"),
        ({"share": True}, "outer: share must be a number"),
        ({"share": float("nan")}, "outer: share must be a number"),
        ({"kind": "z"}, "outer: kind must be one of 'x', 'y', None, not 'z'"),
        ({"counts": ()}, "outer: counts must be a list"),
        ({"counts": (1, 0)}, "outer: counts[1] must be an integer of at least 1, not 0"),
        ({"inner": 3}, "outer: inner must be a mapping, not 3"),
        ({"inner": {"b": 3}}, "outer.inner: unknown key 'b'"),
        ({"many": {"b": [{"a": "c"}]}}, "outer.many.b[0]: a must be an integer, not 'c'"),
        ({"name": 3}, "outer: name must be a text, not 3"),
        ({"shares": 1}, "outer: unknown key 'shares'; did you mean 'share'?"),
    ],
)
def test_values_are_checked_where_options_are_made(values: dict[str, Any], message: str):
    with pytest.raises(ConfigError) as error:
        Outer.from_dict({"name": "n", **values})
    assert str(error.value).startswith(message)


def test_a_class_takes_and_refuses_what_the_schema_does():
    schema = definition(ExplainOptions)
    for values in (
        *({"steps": value} for value in (1, 0, 1.0, True, "1", None, 100_001)),
        *({"tolerance": value} for value in (1, 0, 0.1, -1.0)),
        *({"baseline": value} for value in ("zeros", "zero", None)),
    ):
        fits = jsonschema.Draft202012Validator(schema).is_valid(values)
        # JSON Schema takes 1.0 for an integer; the check of study files does not.
        if values.get("steps") == 1.0 and isinstance(values["steps"], float):
            fits = False
        try:
            ExplainOptions.from_dict({"max_steps": 100_000, **values})
        except ConfigError:
            assert not fits, values
        else:
            assert fits, values


def test_a_study_holds_every_default():
    config = read_config(MINI)
    del config["bootstrap"]
    config["comparisons"] = {}
    study = checked(config)
    assert study.config["bootstrap"] == {"resamples": 1000}
    assert study.config["comparisons"]["resamples"] == 2000
    averages = study.config["attribution"]["averages"]
    assert chosen(averages, AverageOptions).keys() == set(option_names(AverageOptions))


def test_defaults_that_are_written_out_change_no_run():
    config = read_config(MINI)
    study = checked(config)
    same = checked(study.config)
    assert same.runs == study.runs
    assert same.systems() == study.systems()
    assert same.config == study.config


def test_defaults_of_components_are_in_no_run_id():
    """Ids are hashes of what is written, so a new option with a default trains nothing anew."""
    config = read_config(MINI)
    study = checked(config)
    for section in ("corpora", "chains", "frontends", "backbones"):
        assert study.config[section] == config[section]
    for run in study.runs.values():
        written = config["detectors"][run.detector]
        assert run.settings["backend"] == written["backend"]
        frontend = config["frontends"][written["frontend"]]
        assert run.settings["frontend"].keys() <= {*frontend, "backbone"}


# Options of analyses whose default is a single value.
DECLARED = {
    name
    for cls in (StudyFile, *inner_options(StudyFile).values())
    for name, value in filled({}, cls).items()
    if not isinstance(value, dict | list | None)
}


@pytest.mark.parametrize("room", ["plan", "report", "figures", "summaries"])
def test_nothing_else_writes_a_default(room: str):
    """Neither `options.get("bins", 15)` nor `options.get("bins") or 15`."""
    again = [
        f"{path.name}:{node.lineno}: {node.args[0].value}"
        for path in sorted((SOURCE / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "get"
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value in DECLARED
    ]
    assert again == []
