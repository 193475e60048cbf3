"""The command line: `spoofscope COMMAND ...`.

Each command imports what it needs when it runs, so `spoofscope --help` is immediate. Exit codes:
0 success, 1 done but with failures that are listed in the output, 2 refused; a refusal is one line
on stderr.
"""

import argparse
import io
import json
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spoofscope import __version__
from spoofscope.errors import ConfigError, SpoofscopeError
from spoofscope.files import one_line, refusal, shown
from spoofscope.published.formats import FORMATS

if TYPE_CHECKING:
    import polars as pl

    from spoofscope.metrics.tdcf import Tandem


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the return value is the exit code."""
    for stream in (sys.stdout, sys.stderr):
        # Names may have letters that the terminal's encoding lacks.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has read enough, such as `head`. Nothing is left to flush at the end, then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except SpoofscopeError as error:
        print(f"spoofscope {options.command}: {one_line(error)}", file=sys.stderr)
        return 2
    except OSError as error:
        # A file that is there and cannot be used: no permission, a folder, a disk that fails.
        print(f"spoofscope {options.command}: {one_line(refusal(error))}", file=sys.stderr)
        return 2
    except MemoryError as error:
        text = one_line(error) or "there is too little memory for it"
        print(f"spoofscope {options.command}: {text}", file=sys.stderr)
        return 2
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="spoofscope", description="Speech-deepfake research.")
    parser.add_argument("--version", action="version", version=f"spoofscope {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    metrics = commands.add_parser(
        "metrics",
        help="error rates of a score file",
        description="EER, minDCF and actDCF (ASVspoof 5 costs), Cllr, minimum Cllr and AUC of a "
        "score file, pooled and per level of a column. Scores are higher = more bona fide.",
    )
    metrics.add_argument("--scores", required=True, metavar="TSV", help="utt_id, score")
    metrics.add_argument(
        "--trials",
        required=True,
        metavar="TSV",
        help="utt_id, label, conditions",
    )
    metrics.add_argument("--by", metavar="COLUMN", help="also per level of this column")
    metrics.add_argument(
        "--bootstrap",
        type=_count,
        default=1000,
        metavar="N",
        help="resamples behind the 95 %% intervals, at least 100; 0 for none (default: 1000)",
    )
    metrics.add_argument(
        "--cluster",
        metavar="COLUMN",
        help="column of the trials whose values are resampled as wholes; none for single trials "
        "(default: speaker, where at least two are known)",
    )
    metrics.add_argument(
        "--seed", type=int, default=1, metavar="K", help="of the bootstrap (default: 1)"
    )
    asv = metrics.add_mutually_exclusive_group()
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
    metrics.add_argument(
        "--tdcf",
        metavar="FORM",
        help="form of the t-DCF: 2019, or 2021 as for ASVspoof 5 (default: 2021)",
    )
    metrics.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    metrics.set_defaults(run=_metrics)

    predict = commands.add_parser(
        "predict",
        help="judge recordings",
        description="Score, probability and decision of a detector for each recording.",
    )
    predict.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    predict.add_argument("files", nargs="+", metavar="FILE", help="recordings")
    predict.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    predict.set_defaults(run=_predict)

    importing = commands.add_parser(
        "import",
        help="published weights as a detector",
        description="Writes the weights that others published as a detector folder, which predict, "
        "studies and the Python API take like a trained one.",
        epilog="formats: "
        + "; ".join(f"{name}: {known.title}" for name, known in sorted(FORMATS.items())),
    )
    importing.add_argument("format", choices=sorted(FORMATS), metavar="FORMAT", help="see below")
    importing.add_argument("weights", metavar="WEIGHTS", help="the published state dict")
    importing.add_argument("out_dir", metavar="OUT_DIR", help="the detector's folder")
    importing.add_argument(
        "--backbone",
        metavar="FOLDER",
        help="for ssl-aasist: a transformers folder of XLS-R 300M; only its config.json is read",
    )
    importing.add_argument(
        "--wavelet", metavar="NAME", help="for ganpolice-dcnn: the packets' wavelet, sym5 or coif4"
    )
    importing.add_argument(
        "--stft", action="store_true", help="for ganpolice-dcnn: weights of the STFT"
    )
    for name, what in (("mean", "mean"), ("std", "standard deviation")):
        importing.add_argument(
            f"--{name}",
            type=float,
            metavar="NUMBER",
            help=f"for ganpolice-dcnn: {what} of the training set's features",
        )
    importing.set_defaults(run=_import)

    scores_in = commands.add_parser(
        "import-scores",
        help="somebody else's scores as ours",
        description="Writes utt_id and score, higher = more bona fide, from a foreign score file.",
        epilog="formats: asvspoof2019 (utterance source key score), asvspoof2021 and file_score "
        "(utterance score), file_score_label, file_label_score, asvspoof5 (header filename, "
        "cm-score; tabs), csv, tsv",
    )
    scores_in.add_argument("format", metavar="FORMAT", help="see below")
    scores_in.add_argument("file", metavar="FILE", help="the score file")
    scores_in.add_argument("out", metavar="OUT.tsv", help="where to write utt_id and score")
    scores_in.add_argument(
        "--higher",
        required=True,
        metavar="CLASS",
        help="what a higher score in the file speaks for: bonafide or spoof",
    )
    scores_in.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="OURS=THEIRS",
        help="for csv, tsv and asvspoof5: the names of the columns utt_id, score and label",
    )
    scores_in.add_argument(
        "--manifest",
        metavar="TSV",
        help="the trials: maps file names to ids, checks labels, and refuses missing scores",
    )
    scores_in.add_argument("--split", metavar="SPLIT", help="only this split of the manifest")
    scores_in.add_argument(
        "--ignore-others", action="store_true", help="leave out scores of what is no trial"
    )
    scores_in.set_defaults(run=_import_scores)

    scores_out = commands.add_parser(
        "export-scores",
        help="scores in a challenge's format",
        description="Writes a score file in the submission format of a challenge: asvspoof5, "
        "asvspoof2021 or asvspoof2019. Higher stays more bona fide.",
    )
    scores_out.add_argument("scores", metavar="SCORES", help="utt_id, score")
    scores_out.add_argument("out", metavar="OUT", help="the file to write")
    scores_out.add_argument("--format", required=True, metavar="FORMAT", help="which format")
    scores_out.add_argument(
        "--manifest", metavar="TSV", help="the trials, for their order; asvspoof2019 needs it"
    )
    scores_out.add_argument("--split", metavar="SPLIT", help="only this split of the manifest")
    scores_out.set_defaults(run=_export_scores)

    demo = commands.add_parser(
        "demo",
        help="judge recordings on a page in the browser",
        description="Serves a page: upload or record, verdict with reasons, windows, explanation, "
        "several files as a table, model card, and the results of a study. Needs no network.",
    )
    demo.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    demo.add_argument("--study", metavar="DIR", help="results to show, such as results/mini")
    demo.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="address to listen on; the default is for this machine only, and there is no password",
    )
    demo.add_argument(
        "--port", type=_count, default=7860, metavar="N", help="0: any free one (default: 7860)"
    )
    demo.set_defaults(run=_demo)

    audit = commands.add_parser(
        "audit",
        help="is every result what the study makes?",
        description="Lists what is stale, missing, altered, unknown, made from uncommitted code or "
        "by other packages. Run it in the checkout. Writes nothing; exit code 1 when it found "
        "something.",
    )
    audit.add_argument(
        "--configfile",
        nargs="+",
        default=[],
        metavar="FILE",
        help="study file, as for snakemake (default: the mini study)",
    )
    audit.add_argument(
        "--verify",
        action="store_true",
        help="hash every result again, also where size and time are the recorded ones",
    )
    audit.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    audit.set_defaults(run=_audit)

    needs = commands.add_parser(
        "needs",
        help="what has to be downloaded or put in place",
        description="Lists corpora, noise, backbones, detectors and scores that a study reads and "
        "does not make: where each is looked for, whether it is there, and where it is had. Exit "
        "code 1 when something is missing that the workflow does not download.",
    )
    needs.add_argument(
        "--configfile",
        nargs="+",
        required=True,
        metavar="FILE",
        help="study file, as for snakemake",
    )
    needs.add_argument("--json", action="store_true", help="a JSON list instead of text")
    needs.set_defaults(run=_needs)

    provenance = commands.add_parser(
        "provenance",
        help="the tree behind one file",
        description="What made a file, from which settings, code and files, and what made those, "
        "down to corpora, backbones and downloads. Run it in the checkout.",
    )
    provenance.add_argument("file", metavar="FILE", help="a result")
    provenance.add_argument("--json", action="store_true", help="JSON instead of an indented tree")
    provenance.set_defaults(run=_provenance)
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


_count.__name__ = "whole number, 0 or more"


def _metrics(options: argparse.Namespace) -> int:
    from spoofscope.metrics.tables import evaluate
    from spoofscope.options import check_resamples
    from spoofscope.tables import check_conditions, join_scores, read_scores, read_trials

    trials = read_trials(options.trials)
    by = [] if options.by is None else [options.by]
    asked = {options.by, *(options.by or "").split("+")}
    check_conditions(trials, [name for name in trials.columns if name in asked], options.trials)
    joined = join_scores(
        read_scores(options.scores),
        # A list of trials may bring scores of its own; those asked for are in the score file.
        trials.drop("score", strict=False),
        scores_name=options.scores,
        trials_name=options.trials,
    )
    check_resamples(options.bootstrap, "--bootstrap")
    table = evaluate(
        joined, by, options.bootstrap, options.seed, options.cluster, tandem=_tandem(options)
    )
    print(json.dumps(_metrics_json(table), allow_nan=False) if options.json else _as_text(table))
    return 0


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


def _metrics_json(table: "pl.DataFrame") -> dict[str, Any]:
    from spoofscope.names import MACRO, POOLED

    levels: dict[tuple[str, str], dict[str, Any]] = {}
    for row in table.iter_rows(named=True):
        level = levels.setdefault((row["condition"], row["level"]), {})
        level[row["metric"]] = row["value"]
        level["n_bonafide"], level["n_spoof"] = row["n_bonafide"], row["n_spoof"]
        known = row["ci_low"] is not None
        level[f"{row['metric']}_ci"] = [row["ci_low"], row["ci_high"]] if known else None
    pooled = {condition: metrics for (condition, _), metrics in levels.items()}[POOLED]
    by = {
        level: metrics
        for (condition, level), metrics in levels.items()
        if condition != POOLED and level != MACRO
    }
    return {"pooled": pooled, "by": by}


def _as_text(table: "pl.DataFrame") -> str:
    from spoofscope.metrics.measure import METRICS
    from spoofscope.metrics.tables import TANDEM_METRICS

    intervals = table["ci_low"].is_not_null().any()
    rows: dict[tuple[str, str], list[str]] = {}
    for row in table.iter_rows(named=True):
        start = [row["condition"], row["level"], str(row["n_bonafide"]), str(row["n_spoof"])]
        cells = rows.setdefault((row["condition"], row["level"]), start)
        cells.append("-" if row["value"] is None else f"{row['value']:.4f}")
        if intervals:
            known = row["ci_low"] is not None
            cells.append(f"{row['ci_low']:.4f} to {row['ci_high']:.4f}" if known else "-")
    header = ["condition", "level", "bona fide", "spoof"]
    titles = [metric.title for metric in METRICS.values()]
    titles += [title for name, title in TANDEM_METRICS.items() if (table["metric"] == name).any()]
    for title in titles:
        header += [title, "95 % interval"] if intervals else [title]
    return _aligned([header, *rows.values()])


def _aligned(rows: list[list[str]]) -> str:
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


_PREDICTED = ("decision", "score", "LLR", "log10", "p(bona fide)", "seconds", "flags", "because")
# Rows come one by one, so the widths are those of what is usual.
_WIDTHS = (12, 8, 5, 5, 16, 7, 5, 0)


def _predict(options: argparse.Namespace) -> int:
    from spoofscope.detector import calibrated_cells, predict_files

    results = predict_files(options.detector, options.files)
    width = max(len(shown(name)) for name in ("file", *options.files))

    def row(file: str, cells: Sequence[str]) -> None:
        columns = zip(cells, _WIDTHS, strict=True)
        line = "  ".join([file.ljust(width), *(cell.ljust(size) for cell, size in columns)])
        # As it goes: whoever waits for hours of audio sees what is known.
        print(line.rstrip(), flush=True)

    if not options.json:
        row("file", _PREDICTED)
    failed, separator = False, "["
    for result in results:
        if "error" in result:
            failed = True
            print(one_line(result["error"]), file=sys.stderr, flush=True)
        if options.json:
            print(separator + json.dumps(result, allow_nan=False), end="", flush=True)
            separator = ",\n"
            continue
        file = shown(str(result["path"]))
        if "error" in result:
            row(file, ["-"] * len(_PREDICTED))
            continue
        raised = [name for name, flag in result["flags"].items() if flag]
        row(
            file,
            [
                result["decision"],
                f"{result['score']:.4f}",
                *calibrated_cells(result, "-").values(),
                f"{result['duration_s']:.2f}",
                ",".join(raised) or "-",
                "; ".join(result["reasons"]) or "-",
            ],
        )
    if options.json:
        print("]")
    return 1 if failed else 0


def _trials(options: argparse.Namespace) -> "pl.DataFrame | None":
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


def _check_output(out: str, source: str) -> None:
    """Refuse an output that is the input, which would be lost."""
    if os.path.exists(out) and os.path.samefile(out, source):
        raise ConfigError(f"{shown(out)}: this is the file that is read; name another one")


def _import_scores(options: argparse.Namespace) -> int:
    from spoofscope.score_formats import polarity_warning, read_foreign_scores
    from spoofscope.tables import write_scores

    wrong = [pair for pair in options.columns if "=" not in pair]
    if wrong:
        raise ConfigError(f"--columns: {wrong[0]!r} is not of the form OURS=THEIRS")
    trials = _trials(options)
    scores = read_foreign_scores(
        options.file,
        options.format,
        higher=options.higher,
        columns=dict(pair.split("=", 1) for pair in options.columns),
        trials=trials,
        ignore_others=options.ignore_others,
    )
    warning = None if trials is None else polarity_warning(scores, trials)
    if warning is not None:
        print(
            f"spoofscope import-scores: {shown(options.file)}: {one_line(warning)}", file=sys.stderr
        )
    _check_output(options.out, options.file)
    write_scores(options.out, scores)
    print(f"{shown(options.out)}: {scores.height} scores")
    return 0


def _export_scores(options: argparse.Namespace) -> int:
    from spoofscope.score_formats import write_foreign_scores
    from spoofscope.tables import read_scores

    scores = read_scores(options.scores)
    _check_output(options.out, options.scores)
    write_foreign_scores(options.out, scores, options.format, _trials(options))
    print(f"{shown(options.out)}: {scores.height} scores")
    return 0


def _import(options: argparse.Namespace) -> int:
    from spoofscope.published.importing import import_detector

    detector = import_detector(
        options.format,
        options.weights,
        options.out_dir,
        backbone=options.backbone,
        wavelet=options.wavelet,
        stft=options.stft,
        mean=options.mean,
        std=options.std,
    )
    size = sum(parameter.numel() for parameter in detector.parameters())
    print(f"{shown(options.out_dir)}: {FORMATS[options.format].title}, {size:,} parameters")
    return 0


def _demo(options: argparse.Namespace) -> int:
    from spoofscope.apps.demo import serve

    serve(options.detector, options.study, options.host, options.port)
    return 0


def _audit(options: argparse.Namespace) -> int:
    from spoofscope.provenance.audit import as_text, audit_study

    audit = audit_study(options.configfile, options.verify)
    print(json.dumps(audit.as_json(), indent=2) if options.json else as_text(audit))
    return 1 if audit.findings else 0


def _needs(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from spoofscope.needs import as_text, needs
    from spoofscope.study import load_study

    found = needs(load_study(*options.configfile, absent_detectors=True))
    print(
        json.dumps([asdict(need) for need in found], indent=2) if options.json else as_text(found)
    )
    return 1 if any(not need.present and not need.fetched for need in found) else 0


def _provenance(options: argparse.Namespace) -> int:
    from spoofscope.provenance.tree import as_text, trace

    tree = trace(options.file)
    print(json.dumps(tree, indent=2) if options.json else as_text(tree))
    return 0


if __name__ == "__main__":
    sys.exit(main())
