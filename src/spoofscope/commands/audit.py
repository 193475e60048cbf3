"""`spoofscope audit`: is every result what the study makes?"""

import argparse
import json

from spoofscope.commands.arguments import Subcommands


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "audit",
        help="is every result what the study makes?",
        description="Lists what is stale, missing, altered, unknown, made from uncommitted code or "
        "by other packages. Run it in the checkout. Writes nothing; exit code 1 when it found "
        "something.",
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        default=[],
        metavar="FILE",
        help="study file, as for snakemake (default: the mini study)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="hash every result again, also where size and time are the recorded ones",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a report")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.provenance.audit import as_text, audit_study

    audit = audit_study(options.configfile, options.verify)
    print(json.dumps(audit.as_json(), indent=2) if options.json else as_text(audit))
    return 1 if audit.findings else 0
