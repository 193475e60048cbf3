"""`spoofscope trace`: which attack made a recording."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from spoofscope import __version__
from spoofscope.commands.arguments import (
    Subcommands,
    check_new_file,
    count,
    kept_in,
    print_each,
    recordings_of,
)
from spoofscope.errors import ConfigError
from spoofscope.files import atomic_path, printable, shown

if TYPE_CHECKING:
    from spoofscope.tracing.judging import LoadedTracer, Trace, Untraced


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "trace",
        help="name the attack that made a recording",
        description="The known attacks that may have made each recording, or none of them, with "
        "the training clips that are most alike.",
    )
    parser.add_argument("--tracer", required=True, metavar="DIR", help="a tracer's folder")
    parser.add_argument(
        "--detector",
        metavar="DIR",
        help="a detector's folder: it decides first whether a recording is bona fide",
    )
    parser.add_argument("files", nargs="+", metavar="FILE_OR_FOLDER", help="recordings")
    parser.add_argument("--json", action="store_true", help="a JSON list instead of text")
    parser.add_argument(
        "--top",
        type=count,
        metavar="N",
        help="how many attacks and training clips to list",
    )
    parser.add_argument(
        "--enrol",
        action="append",
        metavar="PATH",
        help="attacks that the tracer was not trained on: a folder of recordings of one, a folder "
        "of such folders, or a file of --write-enrolled; several times for several folders",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="turns cosines with enrolled attacks into likelihood ratios: "
        "results/STUDY/verification/TRACER/SEED/CORPUS.eval.calibration.json",
    )
    parser.add_argument(
        "--write-enrolled", metavar="FILE", help="keep the enrolled attacks in a file (JSON)"
    )
    parser.add_argument("--out", metavar="FILE", help="also write a table (CSV), a row each")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    from spoofscope.cases.traced_sets import load_validated
    from spoofscope.tracing.enrolment import write_enrolment
    from spoofscope.tracing.judging import SHOWN, trace_files
    from spoofscope.tracing.references import enrolled_sources

    files = recordings_of(options.files)
    if options.enrol is None:
        for name in ("calibration", "write_enrolled"):
            if getattr(options, name) is not None:
                option = name.replace("_", "-")
                raise ConfigError(f"--{option} is for enrolled attacks; add --enrol")
    if options.out is not None:
        check_new_file(options.out, files)
    listed = SHOWN if options.top is None else options.top
    tracer = load_validated(options.tracer)
    enrolment = None
    if options.enrol is not None:
        enrolment = enrolled_sources(tracer, options.enrol, options.calibration)
        if options.write_enrolled is not None:
            write_enrolment(options.write_enrolled, enrolment)
    detector = None
    if options.detector is not None:
        from spoofscope.cases.scored_sets import load_supported

        detector = load_supported(options.detector, None)
    results = trace_files(tracer, files, listed, enrolment, detector)
    if options.out is None:
        code = print_each(results, options.json, _print_one)
        _print_end(tracer, options.json)
        return code
    # Refuses a name that cannot be written before hours of work.
    with atomic_path(options.out) as temporary:
        kept: list[Trace | Untraced] = []
        code = print_each(kept_in(kept, results), options.json, _print_one)
        _write(temporary, kept)
    _print_end(tracer, options.json)
    return code


def _print_end(tracer: "LoadedTracer", json: bool) -> None:
    """What is the same of every recording; JSON has it in each."""
    if not json:
        said = [] if tracer.traced is None else tracer.traced.in_words()
        by = f"By tracer {tracer.identity}, spoofscope {__version__}."
        print(printable("\n".join(["", *said, by])), flush=True)


def _print_one(result: "Trace | Untraced") -> None:
    from spoofscope.support import doubts_of

    file = shown(str(result["path"]))
    if "error" in result:
        print(f"{file}: not traced", flush=True)
        return
    ood = result["ood"][result["decided_by"]]
    raised = [name for name, flag in result["flags"].items() if flag]
    lines = [f"{file}: {result['answer']}"]
    lines += [f"  because {reason}" for reason in result["reasons"]]
    if result["bonafide_by"] is not None:
        said = result["bonafide_by"]
        ratio = said["log10_llr"]
        text = "" if ratio is None else f", log10 likelihood ratio {ratio:+.2f}"
        lines.append(f"  the detector says {said['decision']}: score {said['score']:.4g}{text}")
        lines += [f"  {doubt}" for doubt in doubts_of(said["validation"])]
    if result["ranked"]:
        lines.append("  the likeliest, if one of the known classes made it:")
    if result["family"] is not None:
        lines.append(f"  family {result['family']['name']}: {result['family']['said']}")
    lines += [
        f"  {place}. {candidate['name']}  {candidate['said']}"
        for place, candidate in enumerate(result["ranked"], start=1)
    ]
    lines.append(
        f"  {result['decided_by']} {ood['score']:.4g}: unknown from {ood['threshold']:.4g}"
    )
    lines += [
        f"  like {clip['utt_id']} ({clip['attack']}, {clip['cosine']:.3f})"
        + ("" if clip["path"] is None else f"  {shown(clip['path'])}")
        for clip in result["nearest"]
    ]
    lines += [
        f"  enrolled {source['name']}: cosine {source['cosine']:.3f}{_ratio(source['llr'])}"
        for source in result["enrolled"]
    ]
    if raised:
        lines.append(f"  flags {','.join(raised)}")
    lines += [f"  note: {note}" for note in result["notes"]]
    # Names in a tracer are those of whoever trained it.
    print(printable("\n".join(lines)), flush=True)


def _ratio(llr: float | None) -> str:
    """A natural-log ratio to the base of the detector's."""
    return "" if llr is None else f", log10 likelihood ratio {llr / math.log(10):+.2f}"


def _write(path: Path, results: "list[Trace | Untraced]") -> None:
    import polars as pl

    from spoofscope.judging import as_cell
    from spoofscope.tracing.judging import COLUMNS, row_of

    rows = [{name: as_cell(text) for name, text in row_of(result).items()} for result in results]
    table = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    # A quoted nothing would be a text to some readers, and its column no numbers.
    table.with_columns(pl.all().replace("", None)).write_csv(path)
