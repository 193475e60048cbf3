"""`spoofscope import-scores`: somebody else's scores as ours."""

import argparse
import sys

from spoofscope.commands.arguments import Subcommands, check_output, trials_of
from spoofscope.errors import ConfigError
from spoofscope.files import one_line, shown


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "import-scores",
        help="somebody else's scores as ours",
        description="Writes utt_id and score, higher = more bona fide, of an external file.",
        epilog="formats: asvspoof2019 (utterance source key score), asvspoof2021 and file_score "
        "(utterance score), file_score_label, file_label_score, asvspoof5 (header filename, "
        "cm-score; tabs), csv, tsv",
    )
    parser.add_argument("format", metavar="FORMAT", help="see below")
    parser.add_argument("file", metavar="FILE", help="the score file")
    parser.add_argument("out", metavar="OUT.tsv", help="where to write utt_id and score")
    parser.add_argument(
        "--higher",
        required=True,
        metavar="CLASS",
        help="what a higher score in the file speaks for: bonafide or spoof",
    )
    parser.add_argument(
        "--columns",
        nargs="+",
        default=[],
        metavar="OURS=THEIRS",
        help="for csv, tsv and asvspoof5: the names of the columns utt_id, score and label",
    )
    parser.add_argument(
        "--manifest",
        metavar="TSV",
        help="the trials: maps file names to ids, checks labels, and refuses missing scores",
    )
    parser.add_argument("--split", metavar="SPLIT", help="only this split of the manifest")
    parser.add_argument(
        "--ignore-others", action="store_true", help="leave out scores of what is no trial"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.score_formats import polarity_warning, read_external_scores
    from spoofscope.tables import write_scores

    wrong = [pair for pair in options.columns if "=" not in pair]
    if wrong:
        raise ConfigError(f"--columns: {wrong[0]!r} is not of the form OURS=THEIRS")
    trials = trials_of(options)
    scores = read_external_scores(
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
    check_output(options.out, options.file)
    write_scores(options.out, scores)
    print(f"{shown(options.out)}: {scores.height} scores")
    return 0
