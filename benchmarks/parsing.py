"""Time to read the protocol of a large corpus: what its manifest costs beside the files' headers.

    .venv/bin/python benchmarks/parsing.py [--rows 700000] [--files 20000]

It writes a key as ASVspoof 2021 DF has one, and a table as the reader `table` takes it, and times
`trials` of both: CPU seconds, because other programs use the machine, too. Then it times the
manifest of short WAV files, whose headers are read, per 100,000 files.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from spoofscope import audio
from spoofscope.corpora.manifest import build_manifest
from spoofscope.corpora.registry import build

CODECS = ("nocodec", "low_mp3", "high_mp3", "low_m4a", "high_m4a", "low_ogg", "high_ogg")


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, in all threads."""
    before = time.process_time()
    work()
    return time.process_time() - before


def key(folder: Path, n_rows: int) -> None:
    """The key of ASVspoof 2021 DF with so many lines, one in thirty bona fide."""
    lines = []
    for i in range(n_rows):
        attack, label = (f"A{7 + i % 13:02d}", "spoof") if i % 30 else ("-", "bonafide")
        vocoder = "neural_vocoder_autoregressive" if i % 30 else "bonafide"
        lines.append(
            f"LA_{i % 90:04d} DF_E_{i:07d} {CODECS[i % 7]} asvspoof {attack} {label} notrim eval "
            f"{vocoder} - - - -"
        )
    (folder / "keys/DF/CM").mkdir(parents=True)
    (folder / "keys/DF/CM/trial_metadata.txt").write_text("\n".join(lines) + "\n")
    (folder / "ASVspoof2021_DF_eval/flac").mkdir(parents=True)


def table(folder: Path, files: list[str]) -> None:
    """A table of clips for the reader `table`."""
    n = np.arange(len(files))
    spoof = n % 2 == 1
    pl.DataFrame(
        {
            "path": files,
            "split": "eval",
            "label": np.where(spoof, "spoof", "bonafide"),
            "attack": np.where(spoof, "A1", "-"),
            "speaker": [f"s{i % 100}" for i in n],
        }
    ).write_csv(folder / "table.tsv", separator="\t")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=700_000)
    parser.add_argument("--files", type=int, default=20_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        key(root, options.rows)
        table(root, [f"clips/{i:07d}.wav" for i in range(options.rows)])
        columns = {c: c for c in ("path", "split", "label", "attack", "speaker")}
        of_table = {"type": "table", "file": "table.tsv", "columns": columns}
        for entry in ({"type": "asvspoof2021_df"}, of_table):
            took = seconds(build(entry, root, key="own").trials)
            print(f"{options.rows:,} rows of {entry['type']:16}{took:6.1f} CPU s")
        clip = np.zeros(1600, dtype=np.float32)
        files = [f"clips/{i:07d}.wav" for i in range(options.files)]
        (root / "clips").mkdir()
        for file in files:
            audio.write(root / file, clip, 16000)
        table(root, files)
        took = seconds(lambda: build_manifest(build(of_table, root, key="own")))
        print(f"manifest of 100,000 files     {took * 100_000 / options.files:6.1f} CPU s")


if __name__ == "__main__":
    main()
