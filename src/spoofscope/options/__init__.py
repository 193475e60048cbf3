"""Checking options that come from a study file."""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

from spoofscope.errors import ConfigError


def nearest(word: str, candidates: Collection[str]) -> str:
    """`; did you mean 'x'?` for the candidate nearest to `word`, or all candidates."""
    close = difflib.get_close_matches(word, sorted(candidates), n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"valid are: {', '.join(sorted(candidates)) or 'none'}"


def check_keys(values: Mapping[str, Any], allowed: Collection[str], where: str) -> None:
    """Refuse keys that nobody reads.

    Args:
        values: the options given.
        allowed: the keys that have a meaning.
        where: where the options stand in the study file, e.g. `corpora.mini`.

    Raises:
        ConfigError: an unknown key; the message names it and the nearest valid one.
    """
    for key in values:
        if key not in allowed:
            raise ConfigError(f"{where}: unknown key {key!r}; {nearest(str(key), allowed)}")


LEAST_RESAMPLES = 100
"""Of fewer, the 2.5 and 97.5 % quantiles are little more than the smallest and the largest."""

MOST_RESAMPLES = 1_000_000
"""As many as study files may ask for."""


def check_resamples(resamples: int, where: str) -> None:
    """Refuse a number of bootstrap resamples that carries no interval; 0 asks for none.

    Args:
        resamples: how many.
        where: the key or option that says so, such as `bootstrap.resamples`.

    Raises:
        ConfigError: 1 to 99, or more than a million.
    """
    if resamples > MOST_RESAMPLES:
        raise ConfigError(f"{where}: {resamples} resamples are more than {MOST_RESAMPLES:,}")
    if 0 < resamples < LEAST_RESAMPLES:
        raise ConfigError(
            f"{where}: {resamples} resamples are too few for a 95 % interval; take at least "
            f"{LEAST_RESAMPLES} (1000 is usual), or 0 for no intervals"
        )


def speaker_pattern(expression: str | None, owner: str) -> re.Pattern[str] | None:
    """The compiled option `speaker`.

    Raises:
        ConfigError: it is no regular expression, or has no group.
    """
    if expression is None:
        return None
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ConfigError(
            f"{owner}: speaker {expression!r} is no regular expression: {error}"
        ) from error
    if pattern.groups < 1:
        raise ConfigError(
            f"{owner}: speaker {expression!r} needs a group in parentheses: the speaker's name"
        )
    return pattern
