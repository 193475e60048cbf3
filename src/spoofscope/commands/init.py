"""`spoofscope init`: a study file for somebody's own recordings."""

import argparse
from pathlib import Path

from spoofscope.commands.arguments import Subcommands
from spoofscope.errors import ConfigError
from spoofscope.files import shown


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "init",
        help="write a study file for your own recordings",
        description="Looks at a folder of recordings, or a table that lists them, and writes a "
        "commented study file and a table with a row for each recording: class, attack, speaker "
        "and split. What is guessed is said, and can be corrected in the table.",
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="a folder with a folder per class or attack, or a table with a header",
    )
    parser.add_argument(
        "--bonafide",
        action="append",
        default=[],
        metavar="FOLDER",
        help="a folder of bona fide speech, below SOURCE; default: by its name, such as real",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="of the study: small letters, digits and _ (default: SOURCE)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope import first_study
    from spoofscope.files import atomic_path
    from spoofscope.plan.study_plan import load_study
    from spoofscope.tables import write_table

    source = Path(options.source)
    name = options.name or first_study.study_name(source)
    study, table = Path(f"{name}.yaml"), Path(f"{name}.tsv")
    for path in (study, table):
        if path.exists():
            raise ConfigError(
                f"{shown(path)} is there already; delete it, or give the study another --name"
            )
    listing = first_study.listing_of(source, options.bonafide)
    sound = first_study.sound_of(listing.root, [row["path"] for row in listing.rows])
    found = first_study.described(listing, sound)
    text = first_study.study_text(name, listing, table, found, shown(source))
    with atomic_path(study) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")
        load_study(temporary)
        write_table(table, first_study.table_of(listing))
    for line in found:
        print(line)
    print(f"Written: {shown(study)} and {shown(table)}. Look at both, then:")
    print(f"  .venv/bin/spoofscope run {shown(study)}")
    expected = first_study.minutes(listing, sound)
    print(
        f"On two cores it takes about {max(5, round(expected, -1 if expected > 50 else 0)):.0f} "
        "minutes."
    )
    return 0
