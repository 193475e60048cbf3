"""What several commands ask for."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from spoofscope.errors import ConfigError, TableError
from spoofscope.files import one_line, paths_below, shown
from spoofscope.options import nearest

if TYPE_CHECKING:
    import polars as pl

Subcommands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Result = TypeVar("Result", bound=Mapping[str, Any])


def completed_by(action: argparse.Action, words: Callable[..., Iterable[str]]) -> None:
    """Let shells complete an argument by these words; argcomplete picks those that fit.

    Args:
        action: the argument.
        words: is called by keyword, with the `prefix` that is there and what the parser knows.
    """
    action.completer = words  # type: ignore[attr-defined]


def count(text: str) -> int:
    """A whole number, 0 or more."""
    value = int(text)
    if value < 0:
        raise ValueError
    return value


count.__name__ = "whole number, 0 or more"


def add_passage(parser: argparse.ArgumentParser) -> None:
    """Add which part of a recording is explained."""
    parser.add_argument(
        "--passage",
        nargs=2,
        type=float,
        metavar=("FROM", "TO"),
        help="explain this part alone, in seconds (default: the whole recording)",
    )


def add_bootstrap(parser: argparse.ArgumentParser, resamples: int, least: str = "") -> None:
    """Add how intervals are made. resamples: the default; least: words behind the smallest."""
    parser.add_argument(
        "--bootstrap",
        type=count,
        default=resamples,
        metavar="N",
        help=f"resamples behind the 95 %% intervals, at least 100{least} (default: {resamples})",
    )
    parser.add_argument(
        "--cluster",
        metavar="COLUMN",
        help="column of the trials whose values are resampled as wholes; none for single trials "
        "(default: speaker, where at least two are known)",
    )
    parser.add_argument(
        "--seed", type=int, default=1, metavar="K", help="of the bootstrap (default: 1)"
    )


def add_split(parser: argparse.ArgumentParser) -> None:
    """Add the split of `--trials` that is judged."""
    parser.add_argument("--split", metavar="NAME", help="of the trials, where they have several")


def of_split(
    trials: "pl.DataFrame", options: argparse.Namespace, scores: "pl.DataFrame"
) -> "pl.DataFrame":
    """The trials of `--split`, all without it.

    Raises:
        TableError: there are none of that split, or none is named and the scores are of one alone.
    """
    import polars as pl

    if options.split is not None:
        return _split_of(trials, options.trials, options.split)
    if "split" in trials.columns:
        judged = trials.filter(pl.col("utt_id").is_in(scores["utt_id"].implode()))
        splits = judged["split"].unique()
        if len(splits) == 1 and trials["split"].n_unique() > 1:
            raise TableError(
                f"the scores are of the split {splits[0]!r} alone, and {options.trials} has "
                f"others; add --split {splits[0]}"
            )
    return trials


def _split_of(trials: "pl.DataFrame", name: str, split: str) -> "pl.DataFrame":
    if "split" not in trials.columns:
        raise TableError(f"{name}: there are no trials of the split {split!r}: no column split")
    rows = trials.filter(split=split)
    if rows.is_empty():
        splits = trials["split"].unique().sort().to_list()
        raise TableError(
            f"{name}: there are no trials of the split {split!r}; {nearest(split, splits)}"
        )
    return rows


def aligned(rows: list[list[str]]) -> str:
    """Rows of cells as lines with columns of equal width."""
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def trials_of(options: argparse.Namespace) -> "pl.DataFrame | None":
    """The trials of `--manifest` and `--split`, None without a manifest."""
    from spoofscope.tables import read_trials

    if options.manifest is None:
        if options.split is not None:
            raise ConfigError("--split is one of a manifest; add --manifest")
        return None
    trials = read_trials(options.manifest)
    if options.split is None:
        return trials
    return _split_of(trials, options.manifest, options.split)


def check_output(out: str, source: str) -> None:
    """Refuse an output that is the input, which would be lost."""
    if os.path.exists(out) and os.path.samefile(out, source):
        raise ConfigError(f"{shown(out)}: this is the file that is read; name another one")


def recordings_of(paths: Iterable[str]) -> list[str]:
    """Files as they are named, and of folders all recordings below them, by name.

    A recording that is named twice, such as by its folder as well, is there once.

    Raises:
        ConfigError: there is no recording below a folder.
    """
    from spoofscope.audio import has_suffix

    found: dict[str, None] = {}
    for path in paths:
        if not os.path.isdir(path):
            found[path] = None
            continue
        below = sorted(file for file in paths_below(path) if has_suffix(file))
        if not below:
            raise ConfigError(
                f"{shown(path)}: there is no recording below this folder; they are found by "
                "suffixes such as .wav and .flac, others are judged if you name the files"
            )
        found.update(dict.fromkeys(map(os.path.normpath, below)))
    return list(found)


def check_new_file(out: str, sources: Iterable[str]) -> None:
    """Refuse a file to write that is one of the sources, or is in no folder, before any work.

    Raises:
        ConfigError: it is.
    """
    for source in sources:
        if os.path.exists(source):
            check_output(out, source)
    if not Path(out).resolve().parent.is_dir():
        raise ConfigError(f"{shown(out)}: its folder does not exist; make it first")


def kept_in(kept: list[Result], results: Iterable[Result]) -> Iterator[Result]:
    """The results as they come; each is kept, too."""
    for result in results:
        kept.append(result)
        yield result


def print_each(
    results: Iterable[Result], as_json: bool, print_one: Callable[[Result], None]
) -> int:
    """Print what is said of each recording as soon as it is known.

    Whoever waits for hours of audio sees what is known. Failures, which have the key `error`, are
    lines on stderr as well.

    Args:
        results: JSON-able, with a key `path` each.
        as_json: as a JSON list.
        print_one: prints one of them, where it is no JSON.

    Returns:
        the exit code: 1 where one has failed.
    """
    failed, separator = False, "["
    for result in results:
        if "error" in result:
            failed = True
            print(one_line(result["error"]), file=sys.stderr, flush=True)
        if as_json:
            print(separator + json.dumps(result, allow_nan=False), end="", flush=True)
            separator = ",\n"
        else:
            print_one(result)
    if as_json:
        print("]")
    return 1 if failed else 0


def add_address(parser: argparse.ArgumentParser, port: int) -> None:
    """Add where a page is served: `--host` and `--port` with its default."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; the default is for this machine only, and there is no password",
    )
    parser.add_argument(
        "--port", type=count, default=port, metavar="N", help=f"0: any free one (default: {port})"
    )
