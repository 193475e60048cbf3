"""`spoofscope track`: training curves in a program that shows runs."""

import argparse
from pathlib import Path

from spoofscope.commands.arguments import Subcommands
from spoofscope.files import shown
from spoofscope.options.trackers import PACKAGES


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "track",
        help="give training curves to trackio, MLflow or Weights & Biases",
        description="Adds every finished training of a study as a run, with its settings and what "
        "was measured after every epoch. Runs that are there already are left alone. Where the "
        "numbers go is said by the program's own environment variables, such as TRACKIO_DIR, "
        "MLFLOW_TRACKING_URI and WANDB_MODE.",
    )
    parser.add_argument("results", metavar="DIR", help="of a study, such as results/mini")
    parser.add_argument("--to", required=True, choices=PACKAGES, help="which program")
    parser.add_argument(
        "--project", metavar="NAME", help="that the runs belong to (default: the study's name)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.trackers import add_trainings, trainings

    results = Path(options.results)
    found = trainings(results)
    project = options.project or results.resolve().name
    added, there = add_trainings(options.to, project, found)
    for name in added:
        print(f"{shown(name)}: added")
    for name in there:
        print(f"{shown(name)}: there already")
    return 0
