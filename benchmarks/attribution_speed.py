"""Seconds per utterance of Integrated Gradients here, and of captum one by one on the full model.

Run from the repository: python benchmarks/attribution_speed.py [clips] [hidden_size] [layers].
Needs no data. Here the path runs through the back-end, in batches, from features that are computed
once. The other way sends every point of a path between waveforms through backbone and back-end, one
at a time. Both double their points until the sum misses the difference of the scores by less than 5
per cent, or there are 400 points; the errors that remain are printed beside the times. The two
explain the same score by different inputs, and the path between waveforms is less smooth. So the
time of captum one by one on the path of this library, without the features, is printed, too. The
networks are untrained.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from spoofscope.attribution.integrated import integrated_gradients, score_function
from spoofscope.baselines import window_features
from spoofscope.detector import Detector
from spoofscope.frontends.backbones import write_tiny_backbone
from spoofscope.windows import InputPolicy

LENGTH = 32000
TOLERANCE, STEPS, MOST_STEPS = 0.05, 50, 400


def one_by_one(detector: Detector, waveform: Tensor) -> tuple[float, int]:
    """Relative completeness error, and points, of captum on the full model."""

    def score(batch: Tensor) -> Tensor:
        lengths = torch.full((batch.shape[0],), batch.shape[1])
        features = detector.frontend(batch, lengths)
        return detector.score_tensor(detector.backend_logits(features.values, features.lengths))

    baseline, steps = torch.zeros_like(waveform), STEPS
    with torch.no_grad():
        difference = float(score(waveform) - score(baseline))
    while True:
        values = IntegratedGradients(score).attribute(
            waveform, baselines=baseline, n_steps=steps, internal_batch_size=1
        )
        error = abs(float(values.double().sum()) - difference) / abs(difference)
        if error < TOLERANCE or 2 * steps > MOST_STEPS:
            return error, steps
        steps *= 2


def main() -> None:
    clips, hidden, layers = (int(value) for value in (*sys.argv[1:], *("2", "128", "4"))[:3])
    torch.set_num_threads(1)
    torch.manual_seed(1)
    rng = np.random.default_rng(1)
    # The front-end reads the backbone when it is first used.
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "backbone"
        write_tiny_backbone(place, "wavlm", {"hidden_size": hidden, "layers": layers}, seed=1)
        frontend = {"type": "ssl", "backbone": {"family": "wavlm", "folder": str(place)}}
        settings = {"type": "mhfa", "heads": 32}
        detector = Detector(frontend, settings, InputPolicy(length=LENGTH)).eval()
        function = score_function(detector, "bonafide")
        ratios = []
        for _ in range(clips):
            waveform = rng.normal(0, 0.1, LENGTH).astype(np.float32)
            start = time.perf_counter()
            with torch.no_grad():
                features, baseline = window_features(detector, [waveform, 0 * waveform])
            own = integrated_gradients(
                function, features, baseline, steps=STEPS, max_steps=MOST_STEPS, tolerance=TOLERANCE
            )
            middle = time.perf_counter()
            error, steps = one_by_one(detector, torch.from_numpy(waveform[None]))
            end = time.perf_counter()
            IntegratedGradients(function).attribute(
                features[None], baseline[None], n_steps=own.steps, internal_batch_size=1
            )
            last = time.perf_counter()
            ratios.append((end - middle) / (middle - start))
            print(
                f"here {middle - start:.2f} s, {own.steps} points, error {own.relative_error:.1%}; "
                f"captum on the full model {end - middle:.2f} s, {steps} points, "
                f"error {error:.1%}: {ratios[-1]:.1f}x; captum on our path {last - end:.2f} s",
                flush=True,
            )
    print(f"median {np.median(ratios):.1f}x")


if __name__ == "__main__":
    main()
