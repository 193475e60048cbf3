"""What several commands ask for."""

import argparse
import os
from typing import TYPE_CHECKING, TypeAlias

from spoofscope.errors import ConfigError
from spoofscope.files import shown

if TYPE_CHECKING:
    import polars as pl

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def count(text: str) -> int:
    """A whole number, 0 or more."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


count.__name__ = "whole number, 0 or more"


def trials_of(options: argparse.Namespace) -> "pl.DataFrame | None":
    """The trials of `--manifest` and `--split`, None without a manifest."""
    import polars as pl

    from spoofscope.errors import TableError
    from spoofscope.tables import read_trials

    if options.manifest is None:
        if options.split is not None:
            raise ConfigError("--split is one of a manifest; add --manifest")
        return None
    trials = read_trials(options.manifest)
    if options.split is None:
        return trials
    if "split" not in trials.columns or not (trials["split"] == options.split).any():
        raise TableError(f"{options.manifest}: there are no trials of the split {options.split!r}")
    return trials.filter(pl.col("split") == options.split)


def check_output(out: str, source: str) -> None:
    """Refuse an output that is the input, which would be lost."""
    if os.path.exists(out) and os.path.samefile(out, source):
        raise ConfigError(f"{shown(out)}: this is the file that is read; name another one")
