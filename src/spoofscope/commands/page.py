"""`spoofscope page`: make the page of a run again, from its files."""

import argparse
from pathlib import Path

from spoofscope.commands.arguments import Subcommands
from spoofscope.files import shown


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "page",
        help="make the page of a run again, such as after a kill",
        description="Makes the HTML page of `spoofscope run --page` from the journal beside it, "
        "and says whether the run goes on.",
    )
    parser.add_argument(
        "study", metavar="STUDY", help="a study's name or file, or the page itself (.html)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.commands.run import STUDIES, study_name
    from spoofscope.run_page import page_of, rebuild

    study = options.study
    if study.endswith(".html"):
        page = Path(study)
    else:
        page = page_of(study_name([study]) if study.endswith(STUDIES) else study)
    status = rebuild(page)
    words = "no news, and only its machine can say whether it goes on"
    print(f"{shown(page)}: {words if status == 'silent' else status}")
    return 0
