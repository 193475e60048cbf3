"""`spoofscope provenance`: what is behind one file."""

import argparse
import json

from spoofscope.commands.arguments import Subcommands


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "provenance",
        help="the jobs and inputs behind one file",
        description="What made a file, from which settings and code, the jobs behind it by rule, "
        "the corpora, backbones and downloads where they begin, and files that have changed since. "
        "Run it in the checkout.",
    )
    parser.add_argument("file", metavar="FILE", help="a result")
    form = parser.add_mutually_exclusive_group()
    form.add_argument(
        "--all",
        action="store_true",
        help="a tree of all jobs behind the file, each with its settings and inputs",
    )
    form.add_argument(
        "--json", action="store_true", help="all jobs with their complete settings, as JSON"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.provenance.tree import as_text, summary, trace

    tree = trace(options.file)
    if options.json:
        print(json.dumps(tree, indent=2))
    else:
        print(as_text(tree) if options.all else summary(tree))
    return 0
