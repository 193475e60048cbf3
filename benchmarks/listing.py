"""Time to compare many recordings with what was read of them: what every plan of a study pays.

    PYTHONPATH=src .venv/bin/python benchmarks/listing.py --files 100000

Prints, as JSON, the seconds of a first plan (nothing was read yet), of one when nothing has
changed, of the first after all files were touched (their contents are read once) and of the one
after that.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from spoofscope.corpora.manifest import found_by
from spoofscope.corpora.registry import build
from spoofscope.outside import Outside
from spoofscope.provenance.sidecars import write_sidecar
from spoofscope.recordings import look_at, write_recordings

SPEAKERS = 100


def make_files(root: Path, n_files: int) -> None:
    """Small files with the names of clips, of as many speakers; nobody decodes them."""
    for speaker in range(SPEAKERS):
        label = "bonafide" if speaker % 2 else "spoof/synth"
        folder = root / label / f"p{speaker:03}"
        folder.mkdir(parents=True)
        for i in range(n_files // SPEAKERS):
            (folder / f"{i:05}.wav").write_bytes(b"%d %d" % (speaker, i))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    n_files = parser.parse_args().files
    with tempfile.TemporaryDirectory(prefix="spoofscope-listing-") as folder:
        os.chdir(folder)
        make_files(Path("own"), n_files)
        corpus = build({"type": "folder"}, "own", key="own")
        os.makedirs(".snakemake/spoofscope")

        def plan() -> tuple[str, float]:
            outside = Outside(True, print)
            started = time.perf_counter()
            outcome = outside.folder(
                "corpus own", "own", "own.json", "own.tsv", lambda: found_by(corpus)
            )
            seconds = time.perf_counter() - started
            outside.save()
            return outcome, seconds

        outcome, first = plan()
        # What the job of the manifest leaves.
        paths = [str(path) for path in Path("own").rglob("*.wav")]
        write_recordings("own.json", [look_at(path) for path in paths])
        sidecar = {
            **{"rule": "manifest", "code": "0", "device": "cpu", "host": "here"},
            **{"git": {"commit": None, "dirty": None}, "packages": {}, "wildcards": {}},
            **{"inputs": [], "outputs": [{"path": "own.tsv", "bytes": 0, "sha256": "0"}]},
            "parameters": {"recordings": outcome},
            **{"started": "2026-01-01T00:00:00+00:00", "seconds": 1.0},
        }
        write_sidecar("own.tsv.origin.json", sidecar)
        seconds = {"files": len(paths), "first_plan": first}
        for name in ("unchanged", "touched", "touched_again"):
            if name == "touched":
                for path in paths:
                    os.utime(path)
            same, seconds[name] = plan()
            assert same == outcome
        print(json.dumps({name: round(value, 2) for name, value in seconds.items()}))


if __name__ == "__main__":
    main()
