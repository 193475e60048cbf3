"""Options, each declared once: a field of a class with type, default and bounds, and a sentence.

The JSON Schema of study files, docs/study_file.md, defaults and checks of values come from these
classes. The sentence stands below its field, where a change of words changes no code.

Imported while the workflow is parsed: standard library only.
"""

import ast
import dataclasses
import functools
import inspect
import itertools
import math
import re
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, Union

from spoofscope.errors import ConfigError
from spoofscope.options import check_keys, nearest

Schema = dict[str, Any]

_UNSET = object()
_JSON_TYPES = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


def option(default: Any, **schema: Any) -> Any:
    """A field that may be left out.

    Args:
        default: its value then; a function without arguments gives one that can be changed.
        schema: bounds, in the words of JSON Schema: minimum, uniqueItems, ...
    """
    if callable(default):
        return dataclasses.field(default_factory=default, metadata=schema)
    return dataclasses.field(default=default, metadata=schema)


def required(**schema: Any) -> Any:
    """A field that has to be given. The arguments are bounds, see :func:`option`."""
    return dataclasses.field(metadata=schema)


def optional(**schema: Any) -> Any:
    """A field that may be left out and has no value then. The arguments are bounds."""
    return dataclasses.field(default=_UNSET, metadata=schema)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Options that belong together. Their values are checked when one is made.

    Args:
        place: where they stand in a study file, for messages.

    Raises:
        ConfigError: a value that an option cannot have.
    """

    place: dataclasses.InitVar[str] = ""

    def __post_init__(self, place: str) -> None:
        for name, schema in _bounds(type(self)).items():
            value = getattr(self, name)
            if value is not _UNSET and not _fits(value, schema):
                where, value, schema = _innermost(name, value, schema)
                where = f"{place}: {where}" if place else where
                hint = _hint(value, schema)
                given = _plain(value)
                raise ConfigError(f"{where} must be {_wanted(schema)}, not {given!r}{hint}")
        self.check(place)

    def check(self, place: str) -> None:
        """Refuse what no single value can say is wrong; by default, nothing.

        Args:
            place: where the options stand in a study file.

        Raises:
            ConfigError: the message begins with the place.
        """

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], place: str | None = None) -> Self:
        """From a section of a study file, or a part of one.

        Args:
            values: lists and mappings in it become tuples and inner options.
            place: where it stands, where that is not the usual place.

        Raises:
            ConfigError: an unknown key, a missing one, or a value that it cannot have.
        """
        where: str = getattr(cls, "place", "") if place is None else place
        check_keys(values, option_names(cls), where)
        for name in _needed(cls):
            if name not in values:
                raise ConfigError(f"{where or 'options'}: key {name!r} is missing")
        hints = _hints(cls)
        made = {
            name: _made(value, hints[name], f"{where}.{name}" if where else name)
            for name, value in values.items()
        }
        return cls(**made, place=where)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, defaults included; :meth:`from_dict` is the inverse."""
        values = {name: getattr(self, name) for name in option_names(type(self))}
        return {name: _plain(value) for name, value in values.items() if value is not _UNSET}


# --- what is derived ---------------------------------------------------------------------------


_HINTS: dict[type, dict[str, Any]] = {}
_BOUNDS: dict[type, dict[str, Schema]] = {}


def _hints(cls: type[Options]) -> dict[str, Any]:
    """The type of every option."""
    if cls not in _HINTS:
        hints = typing.get_type_hints(cls, include_extras=True)
        _HINTS[cls] = {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return _HINTS[cls]


def option_names(cls: type[Options]) -> list[str]:
    """The names of all options, in their order."""
    return list(_hints(cls))


def chosen(values: Mapping[str, Any], cls: type[Options]) -> dict[str, Any]:
    """Those of some values that are options of a class."""
    return {name: values[name] for name in option_names(cls) if name in values}


def filled(values: Mapping[str, Any], cls: type[Options]) -> dict[str, Any]:
    """Values with all defaults, as plain values; those of inner options, too.

    Args:
        values: of a study file that fits the schema.
    """
    whole = {}
    for field in dataclasses.fields(cls):
        if field.name in values:
            value = values[field.name]
        elif field.default_factory is not dataclasses.MISSING:
            value = _plain(field.default_factory())
        elif field.default in (dataclasses.MISSING, _UNSET):
            continue
        else:
            value = _plain(field.default)
        whole[field.name] = _filled_in(value, _hints(cls)[field.name])
    return whole


def _made(value: Any, hint: Any, place: str) -> Any:
    """A value of a study file as its type wants it."""
    for kind in _kinds(hint):
        inner = typing.get_args(kind)
        if _is_options(kind) and isinstance(value, Mapping):
            return kind.from_dict(value, place)
        if typing.get_origin(kind) is tuple and isinstance(value, list):
            return tuple(_made(item, inner[0], f"{place}[{i}]") for i, item in enumerate(value))
        if kind is float and type(value) is int:
            return float(value)
        if typing.get_origin(kind) is dict and isinstance(value, Mapping):
            return {name: _made(item, inner[1], f"{place}.{name}") for name, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    """Options and tuples as what study files have for them."""
    if isinstance(value, Options):
        return value.to_dict()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _filled_in(value: Any, hint: Any) -> Any:
    for kind in _kinds(hint):
        if _is_options(kind) and isinstance(value, Mapping):
            return filled(value, kind)
        inner = typing.get_args(kind)
        if typing.get_origin(kind) is tuple and isinstance(value, list):
            return [_filled_in(item, inner[0]) for item in value]
        if typing.get_origin(kind) is dict and isinstance(value, Mapping):
            return {name: _filled_in(item, inner[1]) for name, item in value.items()}
    return value


def properties(cls: type[Options]) -> dict[str, Schema]:
    """Name to JSON Schema of every option; inner options are referred to as definitions."""
    return {
        field.name: _schema_of(_hints(cls)[field.name]) | field.metadata
        for field in dataclasses.fields(cls)
    }


def _bounds(cls: type[Options]) -> dict[str, Schema]:
    """As :func:`properties`, worked out once."""
    if cls not in _BOUNDS:
        _BOUNDS[cls] = properties(cls)
    return _BOUNDS[cls]


def definition(cls: type[Options]) -> Schema:
    """The JSON Schema of options."""
    schema: Schema = {"type": "object", "additionalProperties": False}
    needed = _needed(cls)
    return schema | ({"required": needed} if needed else {}) | {"properties": properties(cls)}


def _needed(cls: type[Options]) -> list[str]:
    """The options that have to be given."""
    missing = dataclasses.MISSING
    return [
        field.name
        for field in dataclasses.fields(cls)
        if field.default is missing and field.default_factory is missing
    ]


def inner_options(*classes: type[Options]) -> dict[str, type[Options]]:
    """The classes of all options inside of some classes, by their names as definitions."""
    definitions: dict[str, type[Options]] = {}
    pending = [hint for cls in classes for hint in _hints(cls).values()]
    while pending:
        for kind in _kinds(pending.pop()):
            if _is_options(kind):
                if definition_name(kind) not in definitions:
                    definitions[definition_name(kind)] = kind
                    pending += _hints(kind).values()
            else:
                pending += typing.get_args(kind)
    return definitions


def definition_name(cls: type[Options]) -> str:
    """The name of a class among the definitions of the schema, such as `trials`."""
    return re.sub("(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()


def sentences(cls: type[Options]) -> dict[str, str]:
    """What every option is about: the text below its field. Reads the source; for the docs."""
    texts: dict[str, str] = {}
    for parent in reversed(cls.__mro__[:-1]):
        texts |= _own_sentences(parent)
    return texts


@functools.cache
def _own_sentences(cls: type) -> dict[str, str]:
    texts: dict[str, str] = {}
    # Python parses the whole file for it, and most classes are parents of others.
    (tree,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(tree, ast.ClassDef)
    for field, text in itertools.pairwise(tree.body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            assert isinstance(field.target, ast.Name)
            texts[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return texts


def _kinds(hint: Any) -> list[Any]:
    """The types that a hint allows, without what annotates them."""
    if typing.get_origin(hint) is Annotated:
        return _kinds(typing.get_args(hint)[0])
    if typing.get_origin(hint) in (Union, types.UnionType):
        return [kind for arg in typing.get_args(hint) for kind in _kinds(arg)]
    return [hint]


def _is_options(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Options)


def _schema_of(hint: Any) -> Schema:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _schema_of(args[0]) | args[1]
    if origin in (Union, types.UnionType):
        whole = [definition(arg) if _is_options(arg) else _schema_of(arg) for arg in args]
        schema = functools.reduce(lambda one, other: one | other, whole)
        schema["type"] = [entry["type"] for entry in whole]
        if "enum" in schema and type(None) in args:
            schema["enum"] = [*schema["enum"], None]
        return schema
    if origin is Literal:
        return {"type": _JSON_TYPES[type(args[0])], "enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _schema_of(args[0])}
    if origin is dict:
        values = _schema_of(args[1])
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    if _is_options(hint):
        return {"$ref": f"#/$defs/{definition_name(hint)}"}
    return {} if hint is Any else {"type": _JSON_TYPES[hint]}


# --- checking one value ------------------------------------------------------------------------


def _fits(value: Any, schema: Schema) -> bool:
    """Whether a value is of the type, and within the bounds, of a JSON Schema."""
    if "enum" in schema:
        return any(value == other and type(value) is type(other) for other in schema["enum"])
    if "type" not in schema and "$ref" in schema:
        return isinstance(value, Mapping | Options)
    kinds = schema.get("type", [])
    if not any(_is_of(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
        return not kinds
    if isinstance(value, list | tuple):
        return (
            schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
            and not (schema.get("uniqueItems") and len(set(value)) < len(value))
            and all(_fits(item, schema["items"]) for item in value)
        )
    if isinstance(value, Mapping):
        of_values = schema.get("additionalProperties") or {}
        return all(_fits(item, of_values) for item in value.values())
    if isinstance(value, str):
        return bool(re.fullmatch(schema.get("pattern", "(?s:.*)"), value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (
            schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
            and schema.get("exclusiveMinimum", -math.inf) < value
            and value < schema.get("exclusiveMaximum", math.inf)
            and ("multipleOf" not in schema or value % schema["multipleOf"] == 0)
            and math.isfinite(value)
        )
    return True


def _innermost(where: str, value: Any, schema: Schema) -> tuple[str, Any, Schema]:
    """Of a value that does not fit, or what is in it: its place, itself, and what it has to fit."""
    inner: list[tuple[str, Any, Schema]] = []
    if isinstance(value, list | tuple):
        inner = [(f"{where}[{i}]", item, schema.get("items", {})) for i, item in enumerate(value)]
    elif isinstance(value, Mapping):
        of_values = schema.get("additionalProperties") or {}
        inner = [(f"{where}.{name}", item, of_values) for name, item in value.items()]
    for place, item, wanted in inner:
        if not _fits(item, wanted):
            return _innermost(place, item, wanted)
    return where, value, schema


def _is_of(value: Any, kind: str) -> bool:
    if kind == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "array":
        return isinstance(value, list | tuple)
    if kind == "object":
        return isinstance(value, Mapping | Options)
    return any(name == kind and type(value) is known for known, name in _JSON_TYPES.items())


def _wanted(schema: Schema) -> str:
    """What a value has to be, in words."""
    if "enum" in schema:
        return f"one of {', '.join(map(repr, schema['enum']))}"
    kinds = schema.get("type", "object")
    words = {
        "integer": "an integer",
        "array": "a list",
        "string": "a text",
        "object": "a mapping",
        "boolean": "true or false",
    }
    text = " or ".join(
        words.get(kind, f"a {kind}") if kind != "null" else "null"
        for kind in ([kinds] if isinstance(kinds, str) else kinds)
    )
    bounds = (
        ("minimum", "of at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "of at most"),
        ("exclusiveMaximum", "below"),
        ("multipleOf", "divisible by"),
    )
    limits = [f"{word} {schema[key]}" for key, word in bounds if key in schema]
    least, most = schema.get("minItems"), schema.get("maxItems")
    if least is not None and least == most:
        limits.append(f"of {least} items")
    elif least is not None:
        limits.append(f"of at least {least} item{'s' if least > 1 else ''}")
    elif most is not None:
        limits.append(f"of at most {most} items")
    return " ".join([text, " and ".join(limits)]).strip()


def _hint(value: Any, schema: Schema) -> str:
    """What to write instead."""
    # A text such as 1e-4 is what YAML makes of a number without a decimal point.
    if isinstance(value, str) and "number" in schema.get("type", ""):
        return " (in YAML write 1.0e-3, not 1e-3, for a number)"
    if isinstance(value, str) and "enum" in schema:
        texts = [choice for choice in schema["enum"] if isinstance(choice, str)]
        hint = nearest(value, texts)
        return f"; {hint}" if hint.startswith("did you mean") else ""
    return ""
