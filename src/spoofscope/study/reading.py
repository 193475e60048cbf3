"""Reading study files: YAML with bounds, what may be left out, and the lines of messages.

Imported while the workflow is parsed: standard library and PyYAML only.
"""

import copy
import functools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ConfigError
from spoofscope.files import no_file
from spoofscope.options.declared import filled
from spoofscope.options.study_file import StudyFile

Config = dict[str, Any]

MOST_BYTES = 8 * 2**20
"""Size of the largest study file that is read."""

MOST_VALUES = 50_000
"""So many keys and values a study file may have when every alias stands for a copy."""

DEEPEST = 50
"""So many mappings and lists may stand in each other."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OVERLONG = 2**63
_PLACE = re.compile(r"(the study file|[^\s:]+):")
_UNKNOWN = re.compile(r"unknown key '([^']+)'")
_KEY = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
# An axis in the name of a grid, see `grids`.
_AXIS = re.compile(r"\{[^{}]*\}")
# Line breaks and tabs belong to texts; other control characters are damage, or an attack, as are
# marks that turn the direction of what follows them.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def path_text(parts: Iterable[Any]) -> str:
    """The place of a value as messages name it, such as `score[0].corpus`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else str(part))
    return text


def read_config(path: str | Path) -> Config:
    """Read a study file, or an overlay of one, without checking it against the schema.

    Raises:
        ConfigError: the file is missing, unreadable, too large, is no text or no YAML mapping, has
            a key twice in one mapping, or aliases that stand for too much.
    """
    path = Path(path)
    try:
        node = _composed(path)
        loader = _Loader("")
        try:
            config = loader.construct_document(node) if node is not None else None
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: a study file is a mapping of keys, this is not")
    if "__use_yte__" in config:
        raise ConfigError(
            f"{path}: key '__use_yte__' would have Snakemake run texts of the file as code"
        )
    return config


def _composed(path: Path) -> Any:
    """The node of a file's document; None where it has none."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(no_file(path, "study file"))
        if path.is_file() and path.stat().st_size > MOST_BYTES:
            raise ConfigError(f"{path}: larger than {MOST_BYTES // 2**20} MB; is it a study file?")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such study file") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ConfigError(f"{path}: not UTF-8 text but UTF-16; save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text: {error.reason} at byte {error.start}") from None
    if "\0" in text:
        raise ConfigError(f"{path}: not a text: it holds zero bytes")
    _check_depth(text, path)
    node = yaml.compose(text, Loader=_Loader)
    if node is not None:
        _count(node, path, {}, set())
    return node


def _check_depth(text: str, path: Path) -> None:
    # Events come one by one; composing goes down as deep as the file does.
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise ConfigError(
                f"{path}: more than {DEEPEST} mappings and lists in each other; no study file "
                "needs that"
            )


def _count(node: Any, path: Path, known: dict[int, int], above: set[int]) -> int:
    """Keys and values below a node, aliases as often as they stand there; refuses too many, itself
    below itself, and a key that is there twice."""
    if id(node) in known:
        return known[id(node)]
    where = f"{path}, line {node.start_mark.line + 1}"
    if id(node) in above:
        raise ConfigError(f"{where}: an alias stands inside of what it stands for")
    above.add(id(node))
    count = 1
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise ConfigError(
                        f"{path}: {key.value!r} is there twice, the second time in line "
                        f"{key.start_mark.line + 1}; YAML would drop the first without a word"
                    )
                seen.add(key.value)
            count += _count(key, path, known, above) + _count(value, path, known, above)
    elif isinstance(node, yaml.SequenceNode):
        count += sum(_count(value, path, known, above) for value in node.value)
    above.remove(id(node))
    if count > MOST_VALUES:
        raise ConfigError(
            f"{where}: with its aliases written out this holds more than {MOST_VALUES:,} values; "
            "no study file needs that"
        )
    known[id(node)] = count
    return count


def merged(base: Mapping[str, Any], overlay: Mapping[str, Any]) -> Config:
    """A study file with an overlay: mappings are merged key by key, anything else is replaced."""
    whole = dict(base)
    for key, value in overlay.items():
        inner = whole.get(key)
        if isinstance(value, Mapping) and isinstance(inner, Mapping):
            value = merged(inner, value)
        whole[key] = value
    return whole


# Defaults that the record of a study writes out.
_WRITTEN = ("seed", "data_root", "scatter_shards", "frontends", "detectors")

# Settings that name a file or a folder outside of the study's results; * stands for any name or
# number. A ~ at the beginning is the home folder there, and nowhere else.
_PATHS = (
    "data_root",
    "feature_store",
    "corpora.*.path",
    "corpora.*.audio_root",
    "corpora.*.sentence_file",
    "noise.*.path",
    "aligners.*.path",
    "backbones.*.folder",
    "detectors.*.folder",
    "detectors.*.scores.*.path",
    "tdcf.*.scores",
)


def with_defaults(config: Mapping[str, Any]) -> Config:
    """A study file with what may be left out of it, and `~` replaced in its paths.

    The title is the study's name, by default.

    Raises:
        ConfigError: a `~` of a user who is not known.
    """
    declared = filled({}, StudyFile)
    defaults = {name: declared[name] for name in _WRITTEN}
    whole: Config = copy.deepcopy({"title": str(config.get("study", "")), **defaults, **config})
    for pattern in _PATHS:
        _expand_homes(whole, pattern.split("."), [])
    return whole


def _expand_homes(values: Any, pattern: list[str], where: list[Any]) -> None:
    """Replace `~` in the texts at a place of `_PATHS` below `values`, in place."""
    first, *rest = pattern
    keys: Iterable[Any] = ()
    if isinstance(values, dict):
        keys = list(values) if first == "*" else [first] if first in values else []
    elif isinstance(values, list) and first == "*":
        keys = range(len(values))
    for key in keys:
        if rest:
            _expand_homes(values[key], rest, [*where, key])
        elif isinstance(values[key], str) and values[key].startswith("~"):
            home = os.path.expanduser(values[key])
            if home.startswith("~"):
                raise ConfigError(
                    f"{path_text([*where, key])}: {values[key]!r}: there is no such home folder; "
                    "write ./~... for a folder of that name"
                )
            values[key] = home


def check_values(config: Mapping[str, Any]) -> None:
    """Refuse what no setting can be, wherever it stands.

    Raises:
        ConfigError: a key that is no text, a number that is not finite or beyond 64 bits, a date,
            a control character; the message names the place.
    """
    for where, key, value in _walked(config, ()):
        place = path_text(where) or "the study file"
        if key is not None and not isinstance(key, str):
            raise ConfigError(
                f"{place}: the key {key!r} is no text (in YAML, quote such a key to make it one)"
            )
        if key is not None and _CONTROL.search(key):
            raise ConfigError(f"{place}: the key {key!r} holds a control character")
        spot = path_text((*where, key)) if key is not None else place
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{spot}: expected a number, found {value}, which no setting can be")
        if isinstance(value, int) and abs(value) >= _OVERLONG:
            raise ConfigError(
                f"{spot}: the number has more than 64 bits, which no setting can have"
            )
        if isinstance(value, str) and (control := _CONTROL.search(value)):
            raise ConfigError(f"{spot}: the text holds the control character {control[0]!r}")
        if not isinstance(value, str | int | float | Mapping | list | None):
            raise ConfigError(
                f"{spot}: expected a text, a number, a list or a mapping, found "
                f"{type(value).__name__} (in YAML, quote dates to make them texts)"
            )


def _walked(value: Any, where: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """(place, key, value) of everything in a mapping; key is None for what stands in lists."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield where, key, inner
            yield from _walked(inner, (*where, key))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield (*where, i), None, inner
            yield from _walked(inner, (*where, i))


@dataclass(frozen=True)
class _Place:
    """Where a value of a study file stands.

    line: 0 where the whole file is meant, or there are no lines. inner: the places of what is in a
    mapping, or in a list, by key or index; None for other values.
    """

    file: str
    line: int = 0
    inner: "dict[Any, _Place] | None" = None
    is_list: bool = False


def located(
    error: ConfigError, paths: Sequence[str | Path], options: Mapping[str, Any] | None = None
) -> ConfigError:
    """The error with the file, and where possible the line, that it is about before its message.

    Args:
        error: whose message begins with a place such as `detectors.a.train:`.
        paths: the study files that were read; of those given later each overlays the earlier.
        options: what `--config` said, which overlays all of them.
    """
    message = str(error)
    if not paths or any(message.startswith(str(path)) for path in paths):
        return error
    whole = functools.reduce(_overlaid, map(_places_in, map(str, paths)))
    if options:
        whole = replace(_overlaid(whole, _places_of_options(options)), file=whole.file)
    place = _place_of(message, whole)
    line = f", line {place.line}" if place.line else ""
    return ConfigError(f"{place.file}{line}: {message}")


def _overlaid(base: _Place, overlay: _Place) -> _Place:
    """As :func:`merged`, of places."""
    if base.inner is None or overlay.inner is None or base.is_list or overlay.is_list:
        return overlay
    inner = {
        key: _overlaid(base.inner[key], place) if key in base.inner else place
        for key, place in overlay.inner.items()
    }
    return replace(overlay, inner={**base.inner, **inner})


def _place_of(message: str, whole: _Place) -> _Place:
    """The place that a message begins with, or the innermost one around it that is known."""
    begins = _PLACE.match(message)
    where = "" if begins is None or begins[1] == "the study file" else begins[1]
    keys: list[Any] = [int(index) if index else key for index, key in _KEY.findall(where)]
    if begins and (unknown := _UNKNOWN.match(message[begins.end() :].lstrip())):
        keys.append(unknown[1])
    place = whole
    for key in keys:
        inner = _place_below(place, key)
        if inner is None:
            break
        place = inner
    return place


def _place_below(place: _Place, key: str | int) -> _Place | None:
    """The place of a key or an item; of the point of a grid that of the grid."""
    inner = place.inner or {}
    if key in inner:
        return inner[key]
    grids = [name for name in inner if isinstance(name, str) and _AXIS.search(name)]
    return next((inner[name] for name in grids if _is_point(str(key), name)), None)


def _is_point(name: str, grid: str) -> bool:
    return bool(re.fullmatch(".+".join(map(re.escape, _AXIS.split(grid))), name))


def _places_in(path: str) -> _Place:
    """Where everything in a study file stands; no more than the file of one that is unreadable."""
    try:
        node = _composed(Path(path))
    except (ConfigError, yaml.YAMLError):
        return _Place(path)
    return _Place(path) if node is None else _places_of_node(node, path, 0)


def _places_of_node(node: Any, file: str, line: int) -> _Place:
    if isinstance(node, yaml.MappingNode):
        inner: dict[Any, _Place] = {
            key.value: _places_of_node(value, file, key.start_mark.line + 1)
            for key, value in node.value
            if isinstance(key, yaml.ScalarNode)
        }
        return _Place(file, line, inner)
    # Where a pattern stands for names, items are no longer at the place where they are written.
    if isinstance(node, yaml.SequenceNode) and not any(map(_is_pattern, node.value)):
        items = {
            i: _places_of_node(item, file, item.start_mark.line + 1)
            for i, item in enumerate(node.value)
        }
        return _Place(file, line, items, is_list=True)
    return _Place(file, line)


def _is_pattern(node: Any) -> bool:
    if isinstance(node, yaml.MappingNode):
        return any(_is_pattern(value) for key, value in node.value if key.value == "corpus")
    return isinstance(node, yaml.ScalarNode) and "*" in node.value


def _places_of_options(values: Any) -> _Place:
    """The command line is the place of all that it says."""
    inner = None
    if isinstance(values, Mapping):
        inner = {key: _places_of_options(value) for key, value in values.items()}
    return _Place("--config", inner=inner)


def typed(values: Any) -> Any:
    """What `--config` gave, with numbers and booleans inside of mappings and lists as such.

    Snakemake takes every value inside of one for a text; quotes within quotes keep it one.
    """
    if isinstance(values, Mapping):
        return {key: typed(value) for key, value in values.items()}
    if isinstance(values, list):
        return [typed(value) for value in values]
    if not isinstance(values, str):
        return values
    try:
        value = yaml.load(values, Loader=_Loader)
    except yaml.YAMLError:
        return values
    return value if isinstance(value, str | int | float | None) else values
