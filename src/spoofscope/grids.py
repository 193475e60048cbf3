"""Grids of a study file: entries that stand for many, and patterns that name many at once.

An entry of `frontends`, `detectors`, `augmented` or `fusion` with the key `grid` stands for one
entry per point of the grid; its name and its values hold the axes as `{axis}`. Everything behind
the study file sees ordinary entries; only results over a grid know of its points. docs/studies.md
explains all of it to users.

Imported while the workflow is parsed: standard library only.
"""

import copy
import fnmatch
import itertools
import math
import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from spoofscope.errors import ConfigError
from spoofscope.options import nearest

SECTIONS = ("augmented", "frontends", "detectors", "fusion")
"""Sections of the study file whose entries may be grids."""

SCORED = ("detectors", "fusion")
"""Those of them whose points have error rates."""

MOST_POINTS = 10_000
"""So many points a grid may have."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)(?:\.([A-Za-z0-9_]+))?\}")
_SCALARS = (str, int, float, bool)

Config = dict[str, Any]


class _Value(NamedTuple):
    """One value of an axis: what stands for it in names and texts, and what it is."""

    label: str
    value: Any


_Point = Mapping[str, _Value]


class Point(NamedTuple):
    """One point of a grid: the name of the entry it is, and the label of each axis."""

    entry: str
    labels: dict[str, str]


class Grid(NamedTuple):
    """A grid whose points have error rates.

    section: where it stands in the study file. axes: those of more than one value, in the order of
    the study file. points: in the order of :func:`expand`.
    """

    section: str
    axes: tuple[str, ...]
    points: tuple[Point, ...]


def grids_of(config: Mapping[str, Any]) -> dict[str, Grid]:
    """The grids of detectors and fusions that have at least two points, by name.

    A grid's name is that of its entry without the braces.

    Args:
        config: a study file's content, which :func:`expand` accepts.

    Raises:
        ConfigError: two grids of one name.
    """
    grids: dict[str, Grid] = {}
    for section in SCORED:
        for template, entry in config.get(section, {}).items():
            where = f"{section}.{template}"
            points = _named_points(template, entry, where) if "grid" in entry else {}
            if len(points) < 2:
                continue
            name = _PLACEHOLDER.sub(r"\1", template)
            if name in grids:
                raise ConfigError(
                    f"{where}: the results over two grids would both be called {name!r}; "
                    "change the words between the braces of one"
                )
            first = next(iter(points.values()))
            axes = tuple(
                axis for axis in first if len({p[axis].label for p in points.values()}) > 1
            )
            grids[name] = Grid(
                section,
                axes,
                tuple(
                    Point(own, {axis: point[axis].label for axis in axes})
                    for own, point in points.items()
                ),
            )
    return grids


def expand(config: Mapping[str, Any]) -> Config:
    """A study file in which every grid is replaced by its points, and every pattern by names.

    Points stand in the order of the grid's axes, the last one varying fastest, as in nested loops.
    Patterns may stand in lists of detectors and systems, and for scored corpora. What is not of the
    form of a study file is left as it is, for the check against the schema.

    Args:
        config: the study file's content; not changed.

    Raises:
        ConfigError: an axis without values, a placeholder of no axis, an axis that nothing uses, a
            name that does not hold every axis of more than one value, two entries of one name, or a
            pattern that matches nothing.
    """
    expanded = copy.deepcopy(dict(config))
    for section in SECTIONS:
        if isinstance(expanded.get(section), Mapping):
            expanded[section] = _expand_section(section, expanded[section])
    detectors = _mapping(expanded, "detectors")
    fusions = {f"fusion.{name}": entry for name, entry in _mapping(expanded, "fusion").items()}
    layers = _mapping(expanded, "layers")
    nested = {
        "attribution.averages": _mapping(expanded, "attribution").get("averages"),
        "layers.costs": layers.get("costs"),
    }
    for where, entry in {**expanded, **fusions, **nested}.items():
        if isinstance(entry, dict) and isinstance(entry.get("detectors"), list):
            entry["detectors"] = _names(entry["detectors"], detectors, f"{where}.detectors")
    systems = [*detectors, *_mapping(expanded, "fusion")]
    for where, entry in expanded.items():
        if isinstance(entry, dict) and isinstance(entry.get("systems"), list):
            entry["systems"] = _names(entry["systems"], systems, f"{where}.systems")
    curves = _mapping(layers, "curves")
    for name, listed in curves.items():
        if isinstance(listed, list):
            curves[name] = _names(listed, detectors, f"layers.curves.{name}")
    corpora = [*_mapping(expanded, "corpora"), *_mapping(expanded, "augmented")]
    own = {f"detectors.{name}.score": entry for name, entry in detectors.items()}
    for where, entry in {"score": expanded, **own}.items():
        if isinstance(entry, dict) and isinstance(entry.get("score"), list):
            entry["score"] = _scored(entry["score"], corpora, where)
    return expanded


def _mapping(config: Config, section: str) -> Config:
    entries = config.get(section)
    return entries if isinstance(entries, dict) else {}


def _scored(sets: list[Any], corpora: Collection[str], where: str) -> list[Any]:
    found = []
    for i, entry in enumerate(sets):
        if not (isinstance(entry, dict) and "*" in str(entry.get("corpus"))):
            found.append(entry)
            continue
        for corpus in _matching(entry["corpus"], corpora, f"{where}[{i}].corpus"):
            found.append({**entry, "corpus": corpus})
    return found


def _matching(pattern: str, entries: Collection[str], where: str) -> list[str]:
    matching = [entry for entry in entries if fnmatch.fnmatchcase(entry, pattern)]
    if not matching:
        raise ConfigError(f"{where}: {pattern!r} matches nothing; {nearest(pattern, entries)}")
    return matching


def _names(names: list[Any], entries: Collection[str], where: str) -> list[Any]:
    """The names, each pattern replaced by the names it matches that are not there already."""
    found = []
    for i, name in enumerate(names):
        if not (isinstance(name, str) and "*" in name):
            found.append(name)
            continue
        matching = _matching(name, entries, f"{where}[{i}]")
        found += [entry for entry in matching if entry not in names and entry not in found]
    return found


def _expand_section(section: str, entries: Mapping[Any, Any]) -> Config:
    expanded: Config = {}
    for name, entry in entries.items():
        where = f"{section}.{name}"
        if isinstance(entry, Mapping) and "grid" in entry:
            points = _points_of(name, entry, where)
        elif isinstance(name, str) and _PLACEHOLDER.search(name):
            raise ConfigError(f"{where}: the name holds a placeholder, but there is no key 'grid'")
        else:
            points = {name: entry}
        for point, values in points.items():
            if point in expanded:
                raise ConfigError(f"{where}: there are two entries of the name {point!r}")
            expanded[point] = values
    return expanded


def _points_of(name: str, entry: Mapping[str, Any], where: str) -> Config:
    template = {key: value for key, value in entry.items() if key != "grid"}
    named = _named_points(name, entry, where)
    points = {own: _filled(template, point, where) for own, point in named.items()}
    used = {axis for axis, _ in _placeholders(template)}
    for axis, values in _axes_of(entry["grid"], f"{where}.grid").items():
        if len(values) > 1 and axis not in used:
            raise ConfigError(f"{where}.grid.{axis}: no value of the entry holds {{{axis}}}")
    return points


def _named_points(name: str, entry: Mapping[str, Any], where: str) -> dict[str, _Point]:
    """The points of a grid, by the names of the entries that they become."""
    axes = _axes_of(entry["grid"], f"{where}.grid")
    in_name = _placeholders(name)
    for axis, values in axes.items():
        if len(values) > 1 and not any(axis == known for known, _ in in_name):
            raise ConfigError(
                f"{where}: the name has to hold {{{axis}}}, which has {len(values)} values"
            )
    if any(field not in (None, "label") for _, field in in_name):
        raise ConfigError(f"{where}: a name holds axes as {{axis}}, not as {{axis.key}}")
    size = math.prod(len(values) for values in axes.values())
    if size > MOST_POINTS:
        raise ConfigError(
            f"{where}.grid: {size:,} points, more than the {MOST_POINTS:,} that can be planned"
        )
    points: dict[str, _Point] = {}
    for chosen in itertools.product(*axes.values()):
        point = dict(zip(axes, chosen, strict=True))
        own = str(_filled(name, point, where, labels=True))
        if not _NAME.fullmatch(own):
            raise ConfigError(
                f"{where}: {own!r} is no name (small letters, digits and _, a letter first); give "
                "the values labels: {axis: {label: value}}"
            )
        if own in points:
            raise ConfigError(f"{where}: two points of the grid have the name {own!r}")
        points[own] = point
    return points


def _axes_of(grid: Any, where: str) -> dict[str, list[_Value]]:
    if not isinstance(grid, Mapping) or not grid:
        raise ConfigError(f"{where}: expected a mapping from axes to their values, found {grid!r}")
    axes = {}
    for axis, values in grid.items():
        if not isinstance(axis, str) or not _NAME.fullmatch(axis):
            raise ConfigError(f"{where}: {axis!r} is no name of an axis (small letters, digits, _)")
        if not isinstance(values, (list, Mapping)) or not values:
            raise ConfigError(
                f"{where}.{axis}: expected a list of values, or a mapping from labels to values, "
                f"found {values!r}"
            )
        if isinstance(values, Mapping):
            axes[axis] = [_Value(_text(label), value) for label, value in values.items()]
            continue
        for i, value in enumerate(values):
            if not isinstance(value, _SCALARS):
                raise ConfigError(
                    f"{where}.{axis}[{i}]: {value!r} needs a label: {{axis: {{label: value}}}}"
                )
        axes[axis] = [_Value(_text(value), value) for value in values]
    return axes


def _text(value: Any) -> str:
    # As YAML writes it.
    return str(value).lower() if isinstance(value, bool) else str(value)


def _placeholders(values: Any) -> set[tuple[str, str | None]]:
    if isinstance(values, str):
        return {(match[1], match[2]) for match in _PLACEHOLDER.finditer(values)}
    if isinstance(values, Mapping):
        values = list(values.values())
    if isinstance(values, list):
        return set().union(*map(_placeholders, values))
    return set()


def _filled(values: Any, point: _Point, where: str, labels: bool = False) -> Any:
    """A copy of `values` with every placeholder replaced by what it stands for at `point`."""
    if isinstance(values, Mapping):
        axis = str(next(iter(values), ""))
        if list(values.values()) == [None] and axis.partition(".")[0] in point:
            raise ConfigError(f'{where}: in YAML write "{{{axis}}}", with the quotes')
        return {key: _filled(value, point, f"{where}.{key}") for key, value in values.items()}
    if isinstance(values, list):
        return [_filled(value, point, f"{where}[{i}]") for i, value in enumerate(values)]
    if not isinstance(values, str):
        return values
    whole = _PLACEHOLDER.fullmatch(values)
    if whole and not labels:
        return _looked_up(whole, point, where)
    return _PLACEHOLDER.sub(lambda match: _as_text(match, point, where), values)


def _looked_up(match: re.Match[str], point: _Point, where: str) -> Any:
    axis, field = match.groups()
    if axis not in point:
        raise ConfigError(f"{where}: {match[0]} is no axis of the grid; {nearest(axis, point)}")
    label, value = point[axis]
    if field is None:
        return copy.deepcopy(value)
    if field == "label":
        return label
    if not isinstance(value, Mapping) or field not in value:
        keys = [*(value if isinstance(value, Mapping) else ()), "label"]
        raise ConfigError(
            f"{where}: {match[0]}: value {label!r} of the axis has no key {field!r}; "
            f"{nearest(field, keys)}"
        )
    return copy.deepcopy(value[field])


def _as_text(match: re.Match[str], point: _Point, where: str) -> str:
    if match[2] is None and match[1] in point:
        return point[match[1]].label
    value = _looked_up(match, point, where)
    if not isinstance(value, _SCALARS):
        raise ConfigError(f"{where}: {match[0]} is {value!r}, which is no part of a text")
    return _text(value)
