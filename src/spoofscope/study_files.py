"""Reading study files: YAML with bounds, and the lines that messages are about.

Imported while the workflow is parsed: standard library and PyYAML only.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ConfigError
from spoofscope.files import no_file

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
_LAST = re.compile(r"(?:\.[^.\[\]]+|\[\d+\])$")
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
        own = path_text((*where, key)) if key is not None else place
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{own}: expected a number, found {value}, which no setting can be")
        if isinstance(value, int) and abs(value) >= _OVERLONG:
            raise ConfigError(f"{own}: the number has more than 64 bits, which no setting can have")
        if isinstance(value, str) and (found := _CONTROL.search(value)):
            raise ConfigError(f"{own}: the text holds the control character {found[0]!r}")
        if not isinstance(value, str | int | float | Mapping | list | None):
            raise ConfigError(
                f"{own}: expected a text, a number, a list or a mapping, found "
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


def located(error: ConfigError, paths: Sequence[str | Path]) -> ConfigError:
    """The error with the file, and where possible the line, that it is about before its message.

    Args:
        error: whose message begins with a place such as `detectors.a.train:`.
        paths: the study files that were read; of those given later each overlays the earlier.
    """
    message = str(error)
    if not paths or any(message.startswith(str(path)) for path in paths):
        return error
    best = (0, Path(paths[-1]), 0)
    for path in map(Path, paths):
        lines = _lines(path)
        for place in _places(message):
            if place in lines:
                best = max(best, (len(place), path, lines[place]), key=lambda found: found[0])
                break
    _, path, line = best
    return ConfigError(f"{path}{f', line {line}' if line else ''}: {message}")


def _places(message: str) -> Iterator[str]:
    """The place that a message begins with, and those above it, from the inside out."""
    found = _PLACE.match(message)
    if found is None:
        return
    place = "" if found[1] == "the study file" else found[1]
    unknown = _UNKNOWN.match(message[found.end() :].lstrip())
    if unknown:
        yield path_text([*([place] if place else []), unknown[1]])
    while place:
        yield place
        above = _LAST.sub("", place)
        if above == place:
            return
        place = above


def _lines(path: Path) -> dict[str, int]:
    """Line of every key and list item of a study file, by its place; none of an unreadable one."""
    try:
        node = _composed(path)
    except (ConfigError, yaml.YAMLError):
        return {}
    lines: dict[str, int] = {}

    def add(node: Any, where: tuple[Any, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    own = (*where, key.value)
                    lines[path_text(own)] = key.start_mark.line + 1
                    add(value, own)
        elif isinstance(node, yaml.SequenceNode):
            for i, value in enumerate(node.value):
                lines[path_text((*where, i))] = value.start_mark.line + 1
                add(value, (*where, i))

    if node is not None:
        add(node, ())
    return lines


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
