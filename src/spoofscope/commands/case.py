"""`spoofscope case`: the report of a case, for people who have to answer for it."""

import argparse
import datetime
import os
from pathlib import Path

from spoofscope.commands.arguments import Subcommands, add_passage
from spoofscope.errors import ConfigError
from spoofscope.files import atomic_folder, printable, read_json, sha256_file, shown

_TIME = "SOURCE_DATE_EPOCH"


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "case",
        help="write a case report about a recording",
        description="What was asked, the recording, a likelihood ratio with its bounds, the "
        "validation of this detector on the sets of its study, an explanation with its controls, "
        "and the limits of all that: case.html and case.pdf, a self-contained file each, and all "
        f"numbers in case.json. The time of making is that of {_TIME}, where this environment "
        "variable is set.",
    )
    parser.add_argument("file", metavar="CLIP", help="the recording")
    parser.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    parser.add_argument("--question", required=True, metavar="TEXT", help="what was asked")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a new folder, or an earlier --out of this clip"
    )
    parser.add_argument(
        "--study",
        metavar="DIR",
        help="results of the study that trained the detector (default: those that it lies in)",
    )
    parser.add_argument(
        "--corpus",
        action="append",
        default=[],
        metavar="NAME",
        help="validate on the eval set of this corpus; several times for several (default: all "
        "that the study scored)",
    )
    parser.add_argument(
        "--condition",
        action="append",
        default=[],
        metavar="COLUMN=LEVEL",
        help="validate on trials of this condition alone, such as codec=opus; several times for "
        "several columns",
    )
    add_passage(parser)
    parser.add_argument("--tracer", metavar="DIR", help="a tracer's folder: name the attack, too")
    parser.add_argument(
        "--enrol",
        action="append",
        metavar="PATH",
        help="systems that the tracer was not trained on, as for `spoofscope trace`",
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="turns cosines with enrolled systems into likelihood ratios, as for `spoofscope "
        "trace`",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    out = Path(options.out)
    made = _made()
    if not Path(options.file).is_file():
        raise ConfigError(f"{shown(options.file)}: there is no such recording")
    _check_out(out, options.file)
    if options.enrol is not None and options.tracer is None:
        raise ConfigError("--enrol shows systems to a tracer; add --tracer")
    if options.calibration is not None and options.enrol is None:
        raise ConfigError("--calibration is for enrolled systems; add --enrol")
    from spoofscope.cases.case import make_case
    from spoofscope.cases.content import in_short
    from spoofscope.cases.traced_sets import load_validated
    from spoofscope.cases.writing import time_text, write_case
    from spoofscope.detector import Detector
    from spoofscope.tracing.references import enrolled_sources, find_references

    detector = Detector.load(options.detector)
    tracer = None
    if options.tracer is not None:
        tracer = load_validated(options.tracer, options.study)
    enrolment, references = None, []
    if tracer is not None and options.enrol is not None:
        enrolment = enrolled_sources(tracer, options.enrol, options.calibration)
        references = [path for path in options.enrol if Path(path).is_file()]
        if not references:
            references = [file for each in find_references(options.enrol).values() for file in each]
        references += [options.calibration] if options.calibration is not None else []
    case = make_case(
        detector,
        options.detector,
        options.file,
        options.question,
        study=options.study,
        corpora=options.corpus,
        conditions=options.condition,
        tracer=tracer,
        enrolment=enrolment,
        references=references,
        passage=options.passage,
        made=time_text(made),
    )
    with atomic_folder(out) as temporary:
        write_case(case, temporary, made)
    print(printable(f"{shown(case.file.name)}: {in_short(case)}\n  {shown(out)}"))
    return 0


def _made() -> datetime.datetime | None:
    """The time of making; None where none was given."""
    epoch = os.environ.get(_TIME)
    if epoch is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(int(epoch), datetime.UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigError(
            f"{_TIME} is {epoch!r}; it must be a whole number of seconds since 1970"
        ) from error


def _check_out(out: Path, clip: str) -> None:
    """Refuse a folder in which something else would be lost.

    Raises:
        ConfigError: it is no folder, or holds anything but an earlier report of this recording.
    """
    from spoofscope.cases.writing import HTML, NUMBERS, PDF

    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{shown(out)} is no folder; name a new one")
    names = {entry.name for entry in out.iterdir()}
    if not names:
        return
    same = names == {HTML, PDF, NUMBERS} and (
        read_json(out / NUMBERS)["recording"]["sha256"] == sha256_file(clip)
    )
    if not same:
        raise ConfigError(
            f"{shown(out)} holds other things than a report of this recording; name a new folder"
        )
