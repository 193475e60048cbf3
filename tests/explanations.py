"""Explanations made by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from spoofscope.attribution.checks import CHECKS, check_means
from spoofscope.attribution.store import MASKINGS, Explanation, Settings
from spoofscope.tables import write_table


def settings(edges=(), *, rows=1, hop=0.01):
    return Settings(
        target="bonafide",
        baseline="zeros",
        row_axis="band" if edges else "layer",
        n_rows=rows,
        band_edges=tuple(edges),
        sample_rate=16000,
        hop_seconds=hop,
        first_centre_seconds=0.0,
        smoothing_frames=1,
        fractions=(0.5,),
        tolerance=0.05,
    )


def explanation(values, edges=(), hop=0.01, **changes):
    """`values` speak for bona fide: (frames,), or (rows, frames)."""
    values = np.atleast_2d(np.asarray(values, np.float32))
    made = Explanation(
        utt_id="a",
        label="spoof",
        attack="A",
        score=0.0,
        baseline_score=0.0,
        delta=0.0,
        relative_error=0.0,
        steps=1,
        converged=True,
        outside=0.0,
        map=values,
        coverage=np.ones(values.shape[1], np.int64),
        maskings={name: np.zeros(1) for name in MASKINGS},
        settings=settings(edges, rows=len(values), hop=hop),
    )
    return replace(made, **changes)


def checks_of(folder: Path, name: str, n: int = 40, **means: float | None) -> str:
    """A table of checks over n clips of as many speakers, near the given means."""
    usual = {
        **{"deletion": 2.0, "deletion_control": 0.5, "insertion": 3.0, "insertion_control": 1.0},
        **{"gradient_spearman": 0.9, "occlusion_spearman": 0.8, "randomised_spearman": 0.1},
    }
    rng = np.random.default_rng(1)
    ids = [f"u{i}" for i in range(n)]
    columns = {
        check: [None] * n if mean is None else list(mean + 0.05 * rng.normal(0, 1, n))
        for check, mean in {**usual, **means}.items()
    }
    assert set(columns) == set(CHECKS)
    label, attack = ["spoof"] * n, ["A"] * n
    of = {"utt_id": ids, "label": label, "attack": attack, "chosen_by": ["per_attack"] * n}
    table = pl.DataFrame({**of, **columns})
    trials = table.select("utt_id", speaker=pl.col("utt_id"))
    path = folder / f"{name}.checks.tsv"
    write_table(path, check_means(table, trials, resamples=200, seed=1))
    return str(path)
