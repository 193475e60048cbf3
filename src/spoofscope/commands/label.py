"""`spoofscope label`: say on a page in the browser what is heard in explained clips."""

import argparse

from spoofscope.commands.arguments import Subcommands, add_address
from spoofscope.errors import ConfigError


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "label",
        help="label explained clips on a page in the browser",
        description="Serves a page on which annotators mark and name what they hear where "
        "detectors find evidence; see docs/labelling.md. Needs no network.",
    )
    parser.add_argument("folder", metavar="DIR", help="a pack, such as results/mini/annotation")
    parser.add_argument(
        "--labels", metavar="FILE", help="file of the answers (default: labels.sqlite in DIR)"
    )
    parser.add_argument(
        "--unblind",
        action="store_true",
        help="show labels, attacks, scores, names of detectors and the sign of the evidence",
    )
    parser.add_argument(
        "--export",
        metavar="FILE",
        help="write the answers and end: *.tsv for studies, *.json for Label Studio, a folder "
        "for Audacity",
    )
    parser.add_argument(
        "--import",
        dest="source",
        metavar="FILE",
        help="add answers of such a file or folder and end",
    )
    add_address(parser, port=7861)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from contextlib import closing

    from spoofscope.apps.label import check_answers, open_store, serve
    from spoofscope.labelling.pack import Pack
    from spoofscope.labelling.transfer import export, import_answers

    if options.export is not None and options.source is not None:
        raise ConfigError("--export and --import are two commands; give one of them")
    if options.export is None and options.source is None:
        blind = not options.unblind
        serve(options.folder, options.labels, options.host, options.port, blind=blind)
        return 0
    pack = Pack(options.folder)
    if options.export is not None:
        check_answers(options.folder, options.labels)
    with closing(open_store(options.folder, options.labels)) as store:
        if options.source is not None:
            added = import_answers(store, pack, options.source)
            print(f"{added} revisions of answers added")
        else:
            written, there = export(store, pack, options.export)
            of_all = "" if written == there else f" of {there}"
            print(f"{written}{of_all} answers written to {options.export}")
    return 0
