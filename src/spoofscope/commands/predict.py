"""`spoofscope predict`: judge recordings."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from spoofscope.commands.arguments import Subcommands, print_each
from spoofscope.files import shown

if TYPE_CHECKING:
    from spoofscope.judging import Failure, Judgement

_PREDICTED = ("decision", "score", "LLR", "log10", "p(bona fide)", "seconds", "flags", "because")
# Rows come one by one, so the widths are those of what is usual.
_WIDTHS = (12, 8, 5, 5, 16, 7, 5, 0)


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "predict",
        help="judge recordings",
        description="Score, probability and decision of a detector for each recording.",
    )
    parser.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.detector import predict_files
    from spoofscope.judging import calibrated_cells

    results = predict_files(options.detector, options.files)
    width = max(len(shown(name)) for name in ("file", *options.files))

    def row(file: str, cells: Sequence[str]) -> None:
        columns = zip(cells, _WIDTHS, strict=True)
        line = "  ".join([file.ljust(width), *(cell.ljust(size) for cell, size in columns)])
        print(line.rstrip(), flush=True)

    if not options.json:
        row("file", _PREDICTED)

    def print_one(result: "Judgement | Failure") -> None:
        file = shown(str(result["path"]))
        if "error" in result:
            row(file, ["-"] * len(_PREDICTED))
            return
        raised = [name for name, flag in result["flags"].items() if flag]
        row(
            file,
            [
                result["decision"],
                f"{result['score']:.4f}",
                *calibrated_cells(result, "-").values(),
                f"{result['duration_s']:.2f}",
                ",".join(raised) or "-",
                "; ".join(result["reasons"]) or "-",
            ],
        )

    return print_each(results, options.json, print_one)
