"""`spoofscope run`: make what a study asks for, and show how far it is."""

import argparse
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from spoofscope.commands.arguments import Subcommands, completed_by
from spoofscope.errors import ConfigError
from spoofscope.files import shown
from spoofscope.study import MINI

STUDIES = (".yaml", ".yml")
"""How the names of study files end."""


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "run",
        help="make the results of a study",
        description="Runs Snakemake with a profile, and shows a line per finished job, how much of "
        "the work is done and how long the rest takes. Everything else is in the log file that is "
        "named at the end. A run that was stopped goes on where it was.",
    )
    what = parser.add_argument(
        "what",
        nargs="*",
        metavar="STUDY_OR_TARGET",
        help="study files (.yaml; default: the mini study), and targets (default: all)",
    )
    completed_by(what, _studies_and_targets)
    profile = parser.add_argument(
        "--profile",
        default="local",
        metavar="NAME",
        help="local, slurm or a folder (default: local)",
    )
    completed_by(profile, lambda **_: [path.name for path in Path("profiles").glob("*/")])
    parser.add_argument("--cores", metavar="N", help="how many cores jobs may use together")
    parser.add_argument("-n", "--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument(
        "--page", action="store_true", help="also show the run in logs/STUDY/run.html, one file"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Become Snakemake; returns only where that cannot be."""
    if not Path("workflow/Snakefile").is_file():
        raise ConfigError(
            "there is no workflow/Snakefile here; change to the folder of your checkout first"
        )
    # A result may be a target, and none of them ends like a study file, mistyped or not.
    studies = [
        word for word in options.what if get_close_matches(Path(word).suffix, STUDIES, cutoff=0.8)
    ]
    targets = [word for word in options.what if word not in studies] or ["all"]
    for study in studies:
        if not Path(study).is_file():
            raise ConfigError(f"{shown(study)}: there is no such study file{_hint(study)}")
    profile = Path("profiles") / options.profile
    arguments = [*targets, "--profile", str(profile if profile.is_dir() else options.profile)]
    arguments += ["--logger", "spoofscope"]
    if options.page:
        from spoofscope.run_page import page_of

        page = page_of(study_name(studies))
        print(f"page: {page}")
        arguments += ["--logger-spoofscope-page", str(page)]
    arguments += ["--configfile", *studies] if studies else []
    arguments += ["--cores", options.cores] if options.cores else []
    arguments += ["--dry-run"] if options.dry_run else []
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *arguments])
    raise AssertionError("execv does not return")


def study_name(studies: Sequence[str]) -> str:
    """The name of the study that these files make together; that of the mini study without any.

    Raises:
        ConfigError: a file cannot be read, or its name is none; the line is named.
    """
    from spoofscope.plan.study_plan import load_study

    return load_study(*(studies or [str(MINI)]), absent_detectors=True).name


def _hint(study: str) -> str:
    """The study file of the nearest name: here, beside where it should be, or among ours."""
    places = {Path(), Path(study).parent, Path("config"), Path("config/studies")}
    files = {
        str(path) for place in places for suffix in STUDIES for path in place.glob(f"*{suffix}")
    }
    # Whoever mistypes a folder has the name right, and the other way round.
    close = get_close_matches(study, files, n=1) or [
        file for file in sorted(files) if Path(file).stem == Path(study).stem
    ]
    return f"; did you mean {close[0]!r}?" if close else ""


def _studies_and_targets(prefix: str, **_: Any) -> list[str]:
    """What may follow: study files and folders to look for them in, targets, and results."""
    from argcomplete.completers import FilesCompleter

    from spoofscope.plan.study_plan import target_names

    # Below results any file may be a target.
    suffixes = () if prefix.startswith(("results/", "resources/")) else STUDIES
    return [*FilesCompleter(suffixes)(prefix), *target_names()]
