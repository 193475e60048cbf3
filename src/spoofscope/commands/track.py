"""`spoofscope track`: training curves in a program that shows runs."""

import argparse
import contextlib
import time
from pathlib import Path

from spoofscope.commands.arguments import Subcommands
from spoofscope.options.trackers import PACKAGES

_EVERY_SECONDS = 5.0


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "track",
        help="give training curves to trackio, MLflow or Weights & Biases",
        description="Adds every finished training of a study as a run, with its settings and what "
        "was measured after every epoch. Epochs that are there already are not sent again. Where "
        "the numbers go is said by the program's own environment variables, such as TRACKIO_DIR, "
        "MLFLOW_TRACKING_URI and WANDB_MODE.",
    )
    parser.add_argument("results", metavar="DIR", help="of a study, such as results/mini")
    parser.add_argument("--to", required=True, choices=PACKAGES, help="which program")
    parser.add_argument(
        "--project", metavar="NAME", help="that the runs belong to (default: the study's name)"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on, with the epochs of trainings that run as they end, until Ctrl-C",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.apps.own_folder import end_on_signals
    from spoofscope.errors import TableError
    from spoofscope.files import shown
    from spoofscope.trackers import Sending, Sent, trainings

    def told(sent: list[Sent]) -> None:
        for name, epochs, finished in sent:
            count = "1 epoch" if epochs == 1 else f"{epochs} epochs"
            words = f"{count} added" if epochs else "there already"
            print(f"{shown(name)}: {words}{'' if finished else ', still trains'}", flush=True)

    results = Path(options.results)
    found = [item for item in trainings(results) if item.finished or options.follow]
    if not found and not options.follow:
        raise TableError(
            f"{shown(results)} has no finished training; name the folder of a study, such as "
            "results/mini, or follow those that run with --follow"
        )
    sending = Sending(options.to, options.project or results.resolve().name)
    told(sending.send(found))
    if options.follow:
        print(f"following {shown(results)}; Ctrl-C ends it", flush=True)
        end_on_signals()
        with contextlib.suppress(KeyboardInterrupt):
            while True:
                time.sleep(_EVERY_SECONDS)
                told(sending.send(trainings(results)))
        sending.close()
    return 0
