"""Explanations made by hand."""

from dataclasses import replace

import numpy as np

from spoofscope.attribution.store import MASKINGS, Explanation, Settings


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
