"""`spoofscope export-scores`: scores in a challenge's format."""

import argparse

from spoofscope.commands.arguments import Subcommands, check_output, trials_of
from spoofscope.files import shown


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "export-scores",
        help="scores in a challenge's format",
        description="Writes a score file in the submission format of a challenge: asvspoof5, "
        "asvspoof2021 or asvspoof2019. Higher stays more bona fide.",
    )
    parser.add_argument("scores", metavar="SCORES", help="utt_id, score")
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument("--format", required=True, metavar="FORMAT", help="which format")
    parser.add_argument(
        "--manifest", metavar="TSV", help="the trials, for their order; asvspoof2019 needs it"
    )
    parser.add_argument("--split", metavar="SPLIT", help="only this split of the manifest")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.score_formats import write_external_scores
    from spoofscope.tables import read_scores

    scores = read_scores(options.scores)
    check_output(options.out, options.scores)
    write_external_scores(options.out, scores, options.format, trials_of(options))
    print(f"{shown(options.out)}: {scores.height} scores")
    return 0
