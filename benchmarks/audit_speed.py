"""What an audit costs beside the decoding of its files alone.

    .venv/bin/python benchmarks/audit_speed.py [--clips 5000] [--rounds 3] [--workers 2]

It writes short clips (FLAC, 16 kHz, 1 to 3 seconds of noise that rises and falls), and measures
them as `audit_corpus` does, with a journal. Times are of the processor, in all processes, because
other programs use the machine, too. Rounds of both kinds take turns; the medians are compared.
"Decoding alone" is `audio.read` of every file, in as many processes.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from spoofscope import audio
from spoofscope.corpora.audit import measure_manifest
from spoofscope.shards.journal import in_processes, resumed

RATE = 16000


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Of the processor, those of ended children included, and of the clock."""

    def used() -> float:
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(use.ru_utime + use.ru_stime for use in uses)

    before, clock = used(), time.perf_counter()
    work()
    return used() - before, time.perf_counter() - clock


def decode(paths: Sequence[str]) -> list[int]:
    """How many samples each file has."""
    return [audio.read(path)[0].size for path in paths]


def corpus(folder: Path, n_clips: int) -> pl.DataFrame:
    """The manifest's columns that an audit measures by, of so many clips."""
    rng = np.random.default_rng(1)
    rows = []
    for i in range(n_clips):
        n = int(rng.integers(RATE, 3 * RATE))
        loudness = 0.1 * np.abs(np.sin(np.arange(n) * 2 * np.pi * 2 / RATE)) + 0.001
        path = folder / f"{i:06d}.flac"
        audio.write(path, np.clip(loudness * rng.standard_normal(n), -1, 1), RATE)
        rows.append({"utt_id": path.stem, "path": str(path), "duration": n / RATE})
    constant = {"split": "eval", "label": "bonafide"}
    return pl.DataFrame(rows).with_columns(pl.lit(v).alias(k) for k, v in constant.items())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        manifest = corpus(Path(name), options.clips)

        def alone() -> None:
            items = zip(manifest["utt_id"], manifest["path"], strict=True)
            in_processes(items, decode, {}, options.workers)

        def audited() -> None:
            with resumed(f"{name}/work", "benchmark") as done:
                measure_manifest(manifest, options.workers, done)

        # The first round also pays for imports and for files that the system has not cached.
        alone()
        audited()
        rounds = [(seconds(alone), seconds(audited)) for _ in range(options.rounds)]
    print(f"{options.clips} clips, {options.workers} processes, medians of {options.rounds} rounds")
    medians = []
    for kind, name in enumerate(("decoding alone", "audit")):
        used, clock = (statistics.median(r[kind][i] for r in rounds) for i in (0, 1))
        medians.append(used)
        per_clip = 1000 * used / options.clips
        print(f"{name:16}{used:8.2f} CPU s{per_clip:8.3f} ms a clip{clock:8.2f} s by the clock")
    ratios = [audit[0] / alone[0] for alone, audit in rounds]
    print(
        f"ratio of CPU s  {medians[1] / medians[0]:8.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


if __name__ == "__main__":
    main()
