"""`spoofscope needs`: what has to be downloaded or put in place."""

import argparse
import json

from spoofscope.commands.arguments import Subcommands


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "needs",
        help="what has to be downloaded or put in place",
        description="Lists corpora, noise, backbones, synthesizers, packages, detectors and scores "
        "that a study reads and does not make: where each is looked for, whether it is there, and "
        "where it is had. Exit code 1 when something is missing that the workflow does not "
        "download.",
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        required=True,
        metavar="FILE",
        help="study file, as for snakemake",
    )
    parser.add_argument("--json", action="store_true", help="a JSON list instead of text")
    parser.add_argument(
        "--disc", action="store_true", help="also how much disc kept features need; not in JSON"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from dataclasses import asdict

    from spoofscope.needs import as_text, features_as_text, kept_features, needs
    from spoofscope.plan.study_plan import load_study

    study = load_study(*options.configfile, absent_detectors=True)
    needed = needs(study)
    print(
        json.dumps([asdict(need) for need in needed], indent=2) if options.json else as_text(needed)
    )
    if options.disc and not options.json:
        print(features_as_text(kept_features(study)))
    return 1 if any(not need.present and not need.fetched for need in needed) else 0
