"""Checking options that come from a study file."""

import difflib
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
