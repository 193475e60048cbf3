"""A tiny corpus for tests that train: bona fide clips are noise, spoofs are tones."""

from pathlib import Path

import numpy as np
import polars as pl

from spoofscope import audio, tables

SAMPLE_RATE = 16000


def write_corpus(
    folder: Path, sizes: dict[str, int], seed: int = 0, samples: tuple[int, int] = (6000, 20000)
) -> Path:
    """Write clips of `samples` length and a manifest with `sizes[split]` rows; its path."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for split, size in sizes.items():
        for i in range(size):
            n = int(rng.integers(*samples))
            time = np.arange(n) / SAMPLE_RATE
            x = 0.1 * rng.standard_normal(n)
            if i % 2:
                tone = np.sin(2 * np.pi * rng.uniform(200, 3000) * time)
                x = 0.1 * x + 0.1 * tone
            path = folder / f"{split}{i}.wav"
            audio.write(path, np.clip(x, -1, 1), SAMPLE_RATE)
            label, attack = ("spoof", f"A{i % 4}") if i % 2 else ("bonafide", "-")
            row = (f"{split}{i}", str(path), split, label, attack, f"s{i % 3}", n / SAMPLE_RATE)
            rows.append((*row, SAMPLE_RATE))
    manifest = folder / "manifest.tsv"
    tables.write_manifest(manifest, pl.DataFrame(rows, tables.MANIFEST_COLUMNS, orient="row"))
    return manifest
