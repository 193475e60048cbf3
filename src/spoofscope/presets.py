"""Presets: training recipes with a name, one file each in `recipes/`.

A study's runs hold the values of their preset, not just its name: an edited preset is a changed
setting of the detectors that use it, and of no others.
"""

import copy
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from spoofscope.errors import ConfigError
from spoofscope.options import nearest

FOLDER = Path(__file__).with_name("recipes")


def available() -> list[str]:
    """Names of all presets, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@functools.cache
def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def values_of(name: str) -> dict[str, Any]:
    """The values of a preset, which exists."""
    values: dict[str, Any] = copy.deepcopy(_read(FOLDER / f"{name}.yaml"))
    return values


def with_values(recipe: Mapping[str, Any], where: str) -> dict[str, Any]:
    """A recipe with the name of its preset replaced by `{name: ..., values: {...}}`.

    Args:
        recipe: as the study file has it; one without the key `preset`, or with its values, is only
            copied.
        where: the recipe's place in the study file, for messages.

    Raises:
        ConfigError: there is no such preset; the message names the nearest.
    """
    found: dict[str, Any] = copy.deepcopy(dict(recipe))
    name = found.get("preset")
    if name is None or isinstance(name, Mapping):
        return found
    names = available()
    if name not in names:
        raise ConfigError(f"{where}.preset: {name!r} is not known; {nearest(str(name), names)}")
    return {**found, "preset": {"name": name, "values": values_of(str(name))}}
