"""`spoofscope compare`: whether score files differ by more than chance."""

import argparse
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spoofscope.commands.arguments import Subcommands, add_bootstrap, add_split, aligned, of_split
from spoofscope.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "compare",
        help="whether score files differ by more than chance",
        description="Differences of EER and minDCF (ASVspoof 5 costs) between every two score "
        "files on the same resampled trials, with 95 % intervals and p values, corrected over the "
        "pairs by Holm's method. Scores are higher = more bona fide.",
    )
    parser.add_argument("scores", nargs="+", metavar="SCORES", help="two or more: utt_id, score")
    parser.add_argument("--trials", required=True, metavar="TSV", help="utt_id, label")
    add_split(parser)
    add_bootstrap(parser, 2000)
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.metrics.paired import compare
    from spoofscope.options import check_resamples
    from spoofscope.summaries.comparisons import within_reach
    from spoofscope.tables import read_scores, read_trials

    if options.bootstrap == 0:
        raise ConfigError("--bootstrap: a comparison needs resamples, at least 100")
    check_resamples(options.bootstrap, "--bootstrap")
    names = _names(options.scores)
    systems = {name: read_scores(path) for name, path in zip(names, options.scores, strict=True)}
    trials = of_split(read_trials(options.trials), options, systems[names[0]])
    # A list of trials may bring scores of its own.
    trials = trials.drop("score", strict=False)
    table = compare(systems, trials, options.bootstrap, options.seed, options.cluster)
    if options.json:
        table = table.fill_nan(None)
        print(json.dumps(table.to_dicts(), allow_nan=False))
        return 0
    print(_as_text(table))
    if reason := within_reach(table.fill_nan(None)):
        print(reason)
    return 0


def _names(paths: Sequence[str]) -> list[str]:
    """What the files are called: the parts of their paths in which they differ.

    Raises:
        ConfigError: a file is named twice, or there is one alone.
    """
    if len(paths) < 2:
        raise ConfigError("a comparison needs two score files or more")
    parts = [Path(path).absolute().parts for path in paths]
    for path, each in zip(paths, parts, strict=True):
        if parts.count(each) > 1:
            raise ConfigError(f"{path} is named twice; a file does not differ from itself")
    head, tail = _alike(parts), _alike([each[::-1] for each in parts])
    names = ["/".join(each[head : len(each) - tail]) for each in parts]
    return names if all(names) and len(set(names)) == len(names) else list(paths)


def _alike(paths: Sequence[Sequence[str]]) -> int:
    """How many first parts all paths have in common."""
    columns = zip(*paths, strict=False)
    return sum(1 for _ in itertools.takewhile(lambda each: len(set(each)) == 1, columns))


def _as_text(table: "pl.DataFrame") -> str:
    from spoofscope.metrics.measure import METRICS
    from spoofscope.p_values import p_text

    titles = {name: metric.title for name, metric in METRICS.items()}
    header = ["metric", "first", "second", "value", "value", "difference", "95 % interval", "p"]
    rows = [[*header, "p (Holm)"]]
    for row in table.iter_rows(named=True):
        has_interval = row["ci_low"] is not None
        interval = f"{row['ci_low']:+.4f} to {row['ci_high']:+.4f}" if has_interval else "-"
        # A p that is not a number does not equal itself.
        p = [p_text(row[key]) if row[key] == row[key] else "-" for key in ("p", "p_holm")]
        values = [f"{row[key]:.4f}" for key in ("value_first", "value_second")]
        pair = [titles[row["metric"]], row["first"], row["second"]]
        rows.append([*pair, *values, f"{row['difference']:+.4f}", interval, *p])
    return aligned(rows)
