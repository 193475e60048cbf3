"""Options of a component (front-end, back-end): defaults, and checks of single values."""

import math
from collections.abc import Mapping
from typing import Any

from spoofscope.errors import ConfigError
from spoofscope.options import check_keys

REQUIRED = object()
"""Marks a default that does not exist: the study file must give the value."""


def resolve(given: Mapping[str, Any], defaults: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """The defaults overlaid with the given options, in the order of the defaults.

    Args:
        given: options as the study file has them, without the key `type`.
        defaults: every option that exists and its default, or `REQUIRED`.
        owner: what the options belong to, for messages, such as "back-end mhfa".

    Raises:
        ConfigError: an option is unknown, or a required one is missing.
    """
    check_keys(given, defaults, owner)
    options = {**defaults, **given}
    for key, value in options.items():
        if value is REQUIRED:
            raise ConfigError(f"{owner} needs the option {key!r}")
    return options


def positive_int(options: Mapping[str, Any], key: str, owner: str) -> int:
    """The option `key` as an integer of at least 1.

    Raises:
        ConfigError: it is anything else.
    """
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{owner}: {key} must be an integer of at least 1, not {value!r}")
    return value


def positive_number(options: Mapping[str, Any], key: str, owner: str) -> float:
    """The option `key` as a finite number above 0.

    Raises:
        ConfigError: it is anything else; true is no number.
    """
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ConfigError(f"{owner}: {key} must be positive, not {value!r}")
    return float(value)


def probability(options: Mapping[str, Any], key: str, owner: str) -> float:
    """The option `key` as a probability below 1.

    Raises:
        ConfigError: it is anything else.
    """
    value = options[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise ConfigError(f"{owner}: {key} must be from 0 to below 1, not {value!r}")
    return float(value)


def one_of(options: Mapping[str, Any], key: str, allowed: tuple[Any, ...], owner: str) -> Any:
    """The option `key`, which must be one of `allowed`.

    Raises:
        ConfigError: it is anything else. True is not 1 here: the types must agree too.
    """
    value = options[key]
    if not any(value == choice and type(value) is type(choice) for choice in allowed):
        names = ", ".join(map(repr, allowed))
        raise ConfigError(f"{owner}: {key} must be one of {names}, not {value!r}")
    return value
