"""`spoofscope predict`: judge recordings."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from spoofscope import __version__
from spoofscope.commands.arguments import (
    Subcommands,
    check_new_file,
    kept_in,
    print_each,
    recordings_of,
)
from spoofscope.errors import ConfigError
from spoofscope.files import atomic_path, printable, shown

if TYPE_CHECKING:
    from spoofscope.detector import Detector
    from spoofscope.judging import Failure, Judgement

Result: TypeAlias = "Judgement | Failure"

_PREDICTED = (
    *("decision", "score", "LLR", "log10", "p(bona fide)", "supported", "seconds", "flags"),
    "because",
)
# Rows come one by one, so the widths are those of what is usual.
_WIDTHS = (12, 8, 5, 5, 16, 9, 7, 5, 0)


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "predict",
        help="judge recordings",
        description="Score, probability and decision of a detector for each recording, and whether "
        "the eval sets of its study support them. Of a folder all recordings below it are judged, "
        "in the order of their names.",
    )
    parser.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    parser.add_argument(
        "files", nargs="+", metavar="FILE_OR_FOLDER", help="recordings, or folders of them"
    )
    parser.add_argument(
        "--study",
        metavar="DIR",
        help="results of the study that trained the detector (default: those that it lies in)",
    )
    parser.add_argument("--json", action="store_true", help="a JSON list instead of a table")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="write a file in place of the table: .csv or .tsv, a row each, or .json",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    files = recordings_of(options.files)
    if options.out is None:
        return _print(options, files)
    if options.json:
        raise ConfigError("--json prints a list; with --out, name a file that ends in .json")
    write = _WRITERS.get(Path(options.out).suffix.lower())
    if write is None:
        raise ConfigError(
            f"{shown(options.out)}: the kind of the file follows from its name, which must end in "
            ".csv, .tsv or .json"
        )
    check_new_file(options.out, files)
    from spoofscope.detector import predict_files

    detector = _detector(options)
    # Refuses a name that cannot be written before hours of work.
    with atomic_path(options.out) as temporary:
        kept: list[Result] = []
        results = _counted(predict_files(detector, files), len(files))
        code = print_each(kept_in(kept, results), False, lambda _: None)
        write(temporary, kept)
    failed = sum("error" in result for result in kept)
    not_judged = f", of which {failed} could not be judged" if failed else ""
    recordings = "1 recording" if len(kept) == 1 else f"{len(kept)} recordings"
    print(f"{shown(options.out)}: {recordings}{not_judged}")
    return code


def _detector(options: argparse.Namespace) -> "Detector":
    from spoofscope.cases.scored_sets import load_supported

    return load_supported(options.detector, options.study)


def _counted(results: Iterator[Result], total: int) -> Iterator[Result]:
    """The results as they come; a terminal shows how many there are, and how long the rest takes.

    Its line is taken away before each of them is handed on, so that another may be printed.
    """
    from spoofscope.pace import duration

    if not sys.stderr.isatty():
        yield from results
        return
    started = time.monotonic()
    for number, result in enumerate(results, start=1):
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
        yield result
        left = (time.monotonic() - started) / number * (total - number)
        if number < total:
            sys.stderr.write(f"\r{number} of {total}, {duration(left)} left")
            sys.stderr.flush()


def _write_table(path: Path, results: Sequence[Result]) -> None:
    import polars as pl

    from spoofscope.judging import as_table

    # A quoted nothing would be a text to some readers, and its column no numbers.
    table = as_table(results).with_columns(pl.all().replace("", None))
    table.write_csv(path, separator="," if path.suffix.lower() == ".csv" else "\t")


def _write_json(path: Path, results: Sequence[Result]) -> None:
    path.write_text(
        "[" + ",\n".join(json.dumps(result, allow_nan=False) for result in results) + "]\n",
        encoding="utf-8",
    )


_WRITERS: dict[str, Callable[[Path, Sequence[Any]], None]] = {
    **{".csv": _write_table, ".tsv": _write_table, ".json": _write_json}
}


def _print(options: argparse.Namespace, files: Sequence[str]) -> int:
    from spoofscope.detector import predict_files
    from spoofscope.judging import calibrated_cells
    from spoofscope.support import doubts_of

    detector = _detector(options)
    width = max(len(shown(name)) for name in ("file", *files))

    def row(file: str, cells: Sequence[str]) -> None:
        columns = zip(cells, _WIDTHS, strict=True)
        line = "  ".join([file.ljust(width), *(cell.ljust(size) for cell, size in columns)])
        print(line.rstrip(), flush=True)

    if not options.json:
        row("file", _PREDICTED)

    doubted = False

    def print_one(result: Result) -> None:
        nonlocal doubted
        file = shown(str(result["path"]))
        if "error" in result:
            row(file, ["-"] * len(_PREDICTED))
            return
        doubted |= bool(doubts_of(result["validation"]))
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

    code = print_each(predict_files(detector, files), options.json, print_one)
    if options.json:
        return code
    if doubted and detector.support is not None:
        # What it is about is the same in every row.
        print(printable("\n".join(["", *detector.support.in_words()])))
    print(f"\nBy detector {detector.identity}, spoofscope {__version__}.")
    return code
