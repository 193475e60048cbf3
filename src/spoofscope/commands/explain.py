"""`spoofscope explain`: show what in recordings moves their scores."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spoofscope.commands.arguments import Subcommands, add_passage, print_each
from spoofscope.errors import ConfigError, SpoofscopeError
from spoofscope.files import atomic_folder, printable, shown, write_json
from spoofscope.options.attribution import (
    BASELINES_OF_DETECTORS,
    METHODS,
    PATH_INTEGRAL,
    Baseline,
)

if TYPE_CHECKING:
    from spoofscope.attribution.explained_recording import ExplainedRecording

_JSON, _NPZ, _REGIONS = "explanation.json", "attributions.npz", "regions.tsv"


def add(commands: Subcommands) -> None:
    """Add the command with its options."""
    parser = commands.add_parser(
        "explain",
        help="show what in recordings moves their scores",
        description="For each recording a folder below DIR, of the recording's name: a figure (PDF "
        "and PNG, and its curve as TSV), explanation.json (judgement, method, completeness, "
        "controls, hashes), attributions.npz (the map and its axes) and regions.tsv (where the "
        "strongest evidence is). It says of each explanation whether it passes its controls.",
    )
    parser.add_argument("--detector", required=True, metavar="DIR", help="a detector's folder")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="a new folder, or an earlier --out"
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="CLIP",
        help="recordings of at most 2 minutes, or of any duration with --passage",
    )
    add_passage(parser)
    parser.add_argument(
        "--method",
        choices=METHODS,
        default=PATH_INTEGRAL,
        help=f"of attribution (default: {PATH_INTEGRAL})",
    )
    relative = parser.add_mutually_exclusive_group()
    relative.add_argument(
        "--baseline",
        choices=BASELINES_OF_DETECTORS,
        default="silence",
        help="what the explanation is relative to (default: silence)",
    )
    relative.add_argument(
        "--centroid",
        metavar="FILE",
        help="explain relative to the mean of bona fide training data, as studies do: their file "
        "attributions/RUN/seedN/centroid.safetensors",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; the return value is the exit code."""
    folders = _folders(options.files, Path(options.out))
    from spoofscope.baselines import read_centroid
    from spoofscope.cases.scored_sets import load_supported

    detector = load_supported(options.detector, None)
    centroid = None if options.centroid is None else read_centroid(options.centroid)

    def explained() -> Iterator[dict[str, Any]]:
        for file in options.files:
            try:
                yield _explain(detector, file, folders[file], options, centroid)
            except SpoofscopeError as error:
                yield {"path": file, "error": str(error)}

    return print_each(explained(), False, _print_one)


def _folders(files: list[str], out: Path) -> dict[str, Path]:
    """The folder of each recording.

    Raises:
        ConfigError: two have one name, or `out` holds what this command has not made.
    """
    names = Counter(Path(file).name for file in files)
    for name, count in names.items():
        if count > 1:
            raise ConfigError(
                f"{count} recordings are called {shown(name)}, and one's results would replace the "
                "other's; give them in commands of their own, with another --out"
            )
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{shown(out)} is no folder; name a new one")
    for entry in sorted(out.iterdir()) if out.exists() else ():
        # Hidden ones are what killed processes have left.
        if not entry.name.startswith(".") and not (entry / _JSON).is_file():
            raise ConfigError(
                f"{shown(out)} holds {shown(entry.name)}, which is no explanation; name a new "
                "folder, or one of an earlier `spoofscope explain`"
            )
    return {file: out / Path(file).name for file in files}


def _explain(
    detector: Any, file: str, folder: Path, options: argparse.Namespace, centroid: Any
) -> dict[str, Any]:
    from spoofscope.attribution.explain_recording import explain_recording
    from spoofscope.attribution.explained_recording import conclusion
    from spoofscope.figures.explained_recording import draw_recording

    baseline: Baseline = options.baseline if centroid is None else "centroid"
    explained = explain_recording(
        detector,
        file,
        options.method,
        baseline,
        regions=3,
        centroid=centroid,
        passage=options.passage,
    )
    with atomic_folder(folder) as temporary:
        _write(explained, temporary)
        outputs = {end: str(temporary / f"explanation.{end}") for end in ("pdf", "png", "tsv")}
        draw_recording(explained, shown(Path(file).name), outputs)
    return {
        "path": file,
        "decision": explained.judgement["decision"],
        "score": explained.judgement["score"],
        "in_words": conclusion(explained),
        "folder": str(folder),
    }


def _write(explained: "ExplainedRecording", folder: Path) -> None:
    import numpy as np

    from spoofscope.attribution.explained_recording import arrays_of, as_json
    from spoofscope.tables import write_table

    arrays: dict[str, Any] = arrays_of(explained)
    np.savez_compressed(folder / _NPZ, **arrays)
    write_table(folder / _REGIONS, explained.regions)
    write_json(folder / _JSON, as_json(explained))


def _print_one(result: dict[str, Any]) -> None:
    file = shown(str(result["path"]))
    if "error" in result:
        print(f"{file}: not explained", flush=True)
        return
    print(f"{file}: {result['decision']}, score {result['score']:.4f}")
    print(printable(f"  {result['in_words']}\n  {shown(result['folder'])}"), flush=True)
