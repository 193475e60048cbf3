"""`spoofscope metrics`: error rates of a score file."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from spoofscope.commands.arguments import Subcommands, add_bootstrap, add_split, aligned, of_split
from spoofscope.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from spoofscope.metrics.tdcf import Tandem


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "metrics",
        help="error rates of a score file",
        description="EER, minDCF and actDCF (ASVspoof 5 costs), Cllr, minimum Cllr and AUC of a "
        "score file, pooled and per level of a column. Scores are higher = more bona fide.",
    )
    parser.add_argument("--scores", required=True, metavar="TSV", help="utt_id, score")
    parser.add_argument(
        "--trials",
        required=True,
        metavar="TSV",
        help="utt_id, label, conditions",
    )
    add_split(parser)
    parser.add_argument("--by", metavar="COLUMN", help="also per level of this column")
    add_bootstrap(parser, 1000, "; 0 for none")
    asv = parser.add_mutually_exclusive_group()
    asv.add_argument(
        "--asv-scores",
        metavar="FILE",
        help="for the t-DCF: a speaker verifier's scores, lines that end in target, nontarget or "
        "spoof and the score",
    )
    asv.add_argument(
        "--asv-rates",
        nargs=3,
        type=float,
        metavar=("P_MISS", "P_FA", "P_FA_SPOOF"),
        help="instead of its scores, its error rates as shares",
    )
    parser.add_argument(
        "--tdcf",
        metavar="FORM",
        help="form of the t-DCF: 2019, or 2021 as for ASVspoof 5 (default: 2021)",
    )
    parser.add_argument(
        "--threshold-from",
        metavar="TSV",
        help="another score file (utt_id, score), such as that of development data: decide at the "
        "threshold of its equal error rate, and give the error rates of these decisions, too",
    )
    parser.add_argument(
        "--threshold-trials",
        metavar="TSV",
        help="trials of that file: utt_id, label (default: those of --trials)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.metrics.tables import evaluate
    from spoofscope.options import check_resamples
    from spoofscope.tables import check_conditions, join_scores, read_scores, read_trials

    scores = read_scores(options.scores)
    trials = of_split(read_trials(options.trials), options, scores)
    by = [] if options.by is None else [options.by]
    asked = {options.by, *(options.by or "").split("+")}
    check_conditions(trials, [name for name in trials.columns if name in asked], options.trials)
    joined = join_scores(
        scores,
        # A list of trials may bring scores of its own; those asked for are in the score file.
        trials.drop("score", strict=False),
        scores_name=options.scores,
        trials_name=options.trials,
    )
    check_resamples(options.bootstrap, "--bootstrap")
    threshold = _threshold(options)
    table = evaluate(
        joined,
        by,
        options.bootstrap,
        options.seed,
        options.cluster,
        threshold=threshold,
        tandem=_tandem(options),
    )
    if threshold is not None and not options.json:
        print(f"threshold {threshold:.6g}, of the equal error rate of {options.threshold_from}\n")
    print(
        json.dumps(_metrics_json(table, threshold), allow_nan=False)
        if options.json
        else _as_text(table)
    )
    return 0


def _threshold(options: argparse.Namespace) -> float | None:
    """The threshold at the EER of another score file; None where none is asked for."""
    from spoofscope.selection.operating_points import eer
    from spoofscope.tables import LABELS, join_scores, read_scores, read_trials

    if options.threshold_from is None:
        if options.threshold_trials is not None:
            raise ConfigError("--threshold-trials: name their scores, too, with --threshold-from")
        return None
    path = options.threshold_trials or options.trials
    scores = read_scores(options.threshold_from)
    trials = read_trials(path).drop("score", strict=False)
    if options.threshold_trials is None:
        # The list may also hold the trials of the scores that are judged.
        trials = trials.filter(trials["utt_id"].is_in(scores["utt_id"].implode()))
    joined = join_scores(scores, trials, scores_name=options.threshold_from, trials_name=path)
    bonafide, spoof = (joined.filter(label=label)["score"].to_numpy() for label in LABELS)
    return eer(bonafide, spoof).threshold


def _tandem(options: argparse.Namespace) -> "Tandem | None":
    from spoofscope.metrics.tdcf import AsvRates, tandem, tandem_from

    form = options.tdcf or "2021"
    if options.asv_scores is not None:
        return tandem_from({"form": form}, options.asv_scores)
    if options.asv_rates is not None:
        return tandem(form, AsvRates(*options.asv_rates))
    if options.tdcf is not None:
        raise ConfigError("--tdcf: a t-DCF needs a verifier; add --asv-scores or --asv-rates")
    return None


def _metrics_json(table: "pl.DataFrame", threshold: float | None) -> dict[str, Any]:
    from spoofscope.names import MACRO, POOLED

    levels: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.iter_rows(named=True):
        level = levels.setdefault((row["condition"], row["level"]), {})
        level[row["metric"]] = row["value"]
        level["n_bonafide"], level["n_spoof"] = row["n_bonafide"], row["n_spoof"]
        has_interval = row["ci_low"] is not None
        level[f"{row['metric']}_ci"] = [row["ci_low"], row["ci_high"]] if has_interval else None
    pooled = {condition: metrics for (condition, _), metrics in levels.items()}[POOLED]
    by = {
        level: metrics
        for (condition, level), metrics in levels.items()
        if condition != POOLED and level != MACRO
    }
    decided = {} if threshold is None else {"threshold": threshold}
    return {"pooled": pooled, "by": by, **decided}


def _as_text(table: "pl.DataFrame") -> str:
    from spoofscope.metrics.measure import METRICS, threshold_metrics
    from spoofscope.metrics.tables import TANDEM_METRICS

    intervals = table["ci_low"].is_not_null().any()
    rows: dict[tuple[str, str], list[str]] = {}
    for row in table.iter_rows(named=True):
        start = [row["condition"], row["level"], str(row["n_bonafide"]), str(row["n_spoof"])]
        cells = rows.setdefault((row["condition"], row["level"]), start)
        cells.append("-" if row["value"] is None else f"{row['value']:.4f}")
        if intervals:
            has_interval = row["ci_low"] is not None
            cells.append(f"{row['ci_low']:.4f} to {row['ci_high']:.4f}" if has_interval else "-")
    header = ["condition", "level", "bona fide", "spoof"]
    titles = [metric.title for metric in METRICS.values()]
    more = {name: metric.title for name, metric in threshold_metrics(0.0).items()} | TANDEM_METRICS
    there = table["metric"].unique(maintain_order=True).to_list()
    titles += [more[name] for name in there if name not in METRICS]
    for title in titles:
        header += [title, "95 % interval"] if intervals else [title]
    return aligned([header, *rows.values()])
