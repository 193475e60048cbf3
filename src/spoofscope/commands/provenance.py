"""`spoofscope provenance`: the tree behind one file."""

import argparse
import json

from spoofscope.commands.arguments import Subcommands


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "provenance",
        help="the tree behind one file",
        description="What made a file, from which settings, code and files, and what made those, "
        "down to corpora, backbones and downloads. Run it in the checkout.",
    )
    parser.add_argument("file", metavar="FILE", help="a result")
    parser.add_argument("--json", action="store_true", help="JSON instead of an indented tree")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.provenance.tree import as_text, trace

    tree = trace(options.file)
    print(json.dumps(tree, indent=2) if options.json else as_text(tree))
    return 0
