"""`spoofscope demo`: judge recordings on a page in the browser."""

import argparse

from spoofscope.commands.arguments import Subcommands, add_address


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "demo",
        help="judge recordings on a page in the browser",
        description="Serves a page: upload or record, verdict with reasons, windows, explanation, "
        "case report, several files as a table, model card, and the results of a study. Needs no "
        "network.",
    )
    parser.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    parser.add_argument("--tracer", metavar="DIR", help="a tracer's folder, for the tab Trace")
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="turns cosines with systems that visitors enrol into likelihood ratios: "
        "results/STUDY/verification/TRACER/SEED/CORPUS.eval.calibration.json",
    )
    parser.add_argument("--study", metavar="DIR", help="results to show, such as results/mini")
    add_address(parser, port=7860)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.apps.demo import serve

    serve(
        options.detector,
        options.study,
        options.host,
        options.port,
        options.tracer,
        options.calibration,
    )
    return 0
