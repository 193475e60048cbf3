"""Seconds per utterance of Integrated Gradients here, and of captum, one utterance at a time.

Run from the repository: python benchmarks/attribution_speed.py [clips] [hidden_size] [layers].
Needs no data. The same score is explained by the same inputs, from the same baseline, in the same
run; every way adds points until the sum misses the difference of the scores by less than 5 per
cent, or there are no more than 1,600. The errors that remain are printed beside the times.

* full model: the path between waveforms runs through backbone and back-end (`wrt: waveform`).
* features: the path between features runs through the back-end alone (`wrt: features`), from
  features that are computed once; all times include that.

captum takes its own rule, Gauss-Legendre, and begins anew with twice as many points: a point at a
time, and in batches as large as here. The networks are untrained.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from captum.attr import IntegratedGradients

from spoofscope.attribution.domains import DOMAINS, Domain
from spoofscope.attribution.integrated import Passes, integrated_gradients
from spoofscope.detector import Detector
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.windows import InputPolicy

LENGTH = 32000
TOLERANCE, STEPS, MOST_STEPS, BATCH = 0.05, 25, 1600, 16


class Run(NamedTuple):
    """Seconds, points and relative completeness error of one utterance."""

    seconds: float
    points: float
    error: float


def by_captum(domain: Domain, waveform: np.ndarray, batch: int) -> Run:
    """captum's way, of one utterance; points are those of all attempts."""
    start = time.perf_counter()
    (x,) = domain.inputs(waveform[None], None)
    (b,) = domain.baselines("silence", waveform[None], [x], None, None, ())
    function = domain.function(LENGTH)
    with torch.no_grad():
        difference = float(function(x[None]) - function(b[None]))
    steps = STEPS
    points = 0
    while True:
        values = IntegratedGradients(function).attribute(
            x[None], baselines=b[None], n_steps=steps, internal_batch_size=batch
        )
        points += steps
        error = abs(float(values.double().sum()) - difference) / abs(difference)
        if error < TOLERANCE or 2 * steps > MOST_STEPS:
            return Run(time.perf_counter() - start, points, error)
        steps *= 2


def here(domain: Domain, waveforms: Sequence[np.ndarray]) -> list[Run]:
    """This library's way, of all utterances together; the seconds are those per utterance."""
    start = time.perf_counter()
    windows = np.stack(waveforms)
    inputs = domain.inputs(windows, None)
    baselines = domain.baselines("silence", windows, inputs, None, None, ())
    attributions = integrated_gradients(
        domain.function(LENGTH),
        inputs,
        baselines,
        steps=STEPS,
        max_steps=MOST_STEPS,
        tolerance=TOLERANCE,
        grading=domain.grading("silence"),
        passes=Passes(BATCH, values_per_input=domain.values_per_input(LENGTH)),
    )
    seconds = (time.perf_counter() - start) / len(waveforms)
    return [Run(seconds, item.steps, item.relative_error) for item in attributions]


def said(runs: Sequence[Run]) -> str:
    """Medians over utterances, and how many reached the tolerance."""
    complete = sum(run.error < TOLERANCE for run in runs)
    return (
        f"{np.median([run.seconds for run in runs]):8.2f} s, "
        f"{np.median([run.points for run in runs]):5.0f} gradients, "
        f"error {np.median([run.error for run in runs]):6.2%}, complete {complete} of {len(runs)}"
    )


def main() -> None:
    clips, hidden, layers = (int(value) for value in (*sys.argv[1:], *("4", "64", "3"))[:3])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    # Noise in bursts: speech has pauses, too.
    bursts = np.sin(2 * np.pi * 3 * np.arange(LENGTH) / 16000) > 0
    waveforms = [
        (rng.normal(0, 0.1, LENGTH) * (0.1 + 0.9 * bursts)).astype(np.float32) for _ in range(clips)
    ]
    # The front-end reads the backbone when it is first used.
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "backbone"
        write_tiny_backbone(place, "wavlm", {"hidden_size": hidden, "layers": layers}, seed=1)
        frontend = {"type": "ssl", "backbone": {"family": "wavlm", "folder": str(place)}}
        settings = {"type": "mhfa", "heads": 32}
        detector = Detector(frontend, settings, InputPolicy(length=LENGTH)).eval()
        for title, wrt in (("full model", "waveform"), ("features", "features")):
            domain = DOMAINS[wrt](detector, "bonafide")
            domain.inputs(np.stack(waveforms[:1]), None)
            ours = here(domain, waveforms)
            print(f"{title}\n  here                    {said(ours)}", flush=True)
            for name, batch in (("one point at a time", 1), ("in batches", BATCH)):
                theirs = [by_captum(domain, waveform, batch) for waveform in waveforms]
                ratio = np.median([run.seconds for run in theirs]) / ours[0].seconds
                print(f"  captum {name:<20} {said(theirs)}: {ratio:.1f}x", flush=True)


if __name__ == "__main__":
    main()
