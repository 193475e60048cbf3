"""How often the detectors of a study withhold a decision on their own clips, and give one on
foreign ones.

Usage: `benchmarks/out_of_distribution.py STUDY_RESULTS --own MANIFEST --foreign
FOLDER [--limit N]`. Every detector of the study judges the eval clips of its own manifest and all
recordings below a folder. It prints, per detector and seed, the share of own clips that are
withheld as unlike the training data, and the share of foreign recordings that get a verdict.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from spoofscope.detector import Detector
from spoofscope.errors import SpoofscopeError
from spoofscope.tables import read_manifest

SUFFIXES = {".flac", ".wav", ".mp3", ".ogg", ".opus", ".m4a"}


def judged(detector: Detector, paths: list[str]) -> Iterator[tuple[bool, bool]]:
    """Of each recording, whether it was found unlike the training data, and decided."""
    for path in paths:
        judgement = detector.predict(path)
        yield (
            bool(judgement["flags"]["out_of_distribution"]),
            judgement["decision"] != "inconclusive",
        )


def share(values: list[bool]) -> str:
    return f"{100 * sum(values) / len(values):.1f} % ({sum(values)} of {len(values)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="results of a study, such as results/mini")
    parser.add_argument("--own", type=Path, required=True, help="manifest with a split eval")
    parser.add_argument("--foreign", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--limit", type=int, help="at most so many recordings of each, evenly")
    options = parser.parse_args()
    torch.set_num_threads(1)
    own = read_manifest(options.own).filter(split="eval")["path"].to_list()
    files = sorted(path for path in options.foreign.rglob("*") if path.suffix in SUFFIXES)
    foreign = [str(path) for path in files]
    if options.limit:
        own = own[:: max(1, len(own) // options.limit)]
        foreign = foreign[:: max(1, len(foreign) // options.limit)]
    print("detector\town clips withheld\tforeign recordings not withheld\tforeign with a verdict")
    for folder in sorted(options.study.glob("detectors/*/seed*")):
        try:
            detector = Detector.load(folder)
        except SpoofscopeError as error:
            print(error, file=sys.stderr)
            return 1
        of_own = list(judged(detector, own))
        of_foreign = list(judged(detector, foreign))
        cells = (
            f"{folder.parent.name}/{folder.name}",
            share([unlike for unlike, _ in of_own]),
            share([not unlike for unlike, _ in of_foreign]),
            share([decided for _, decided in of_foreign]),
        )
        print("\t".join(cells), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
