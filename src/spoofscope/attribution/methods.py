"""The methods of attribution, each from windows to their attributions.

A method is a function of `Windowed`, and is found by its name in `attribution_methods`. Relevance
of attention has a module of its own, `attribution.attention`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.attribution.faithfulness import block_edges, gradient_times_input, occlusion
from spoofscope.attribution.integrated import (
    SMALLEST_DIFFERENCE,
    Attribution,
    Function,
    Passes,
    evaluate,
    integrated_gradients,
)
from spoofscope.detector import Detector
from spoofscope.errors import ConfigError
from spoofscope.identity import rng_of
from spoofscope.options.attribution import ExplainOptions, Target

# Bands are occluded in so many blocks of the same number of bands.
_BAND_BLOCKS = 8


@dataclass(frozen=True)
class Windowed:
    """Windows of one length whose scores are attributed.

    Attributes:
        detector: in evaluation mode.
        function: what is explained, from (B, C, N, D) to (B,); see `integrated.score_function`.
        target: the class that is explained.
        waveforms: each window (n_samples,).
        inputs: what the function is of: (C, N, D) of each window.
        baseline_sets: per baseline of the study one tensor per window, shaped as the inputs; the
            first is the one that maps are relative to.
        seeds: per window, what random numbers depend on.
        options: of the study.
        block: frames that occlusion replaces at once.
        grading: of points on the path from the baseline, see `integrated.integrated_gradients`.
        passes: how much goes through the function at once.
    """

    detector: Detector
    function: Function
    target: Target
    waveforms: Sequence[npt.NDArray[np.float32]]
    inputs: Sequence[Tensor]
    baseline_sets: Sequence[Sequence[Tensor]]
    seeds: Sequence[tuple[int | str, ...]]
    options: ExplainOptions
    block: int
    grading: int
    passes: Passes

    @property
    def baselines(self) -> Sequence[Tensor]:
        """What maps are relative to."""
        return self.baseline_sets[0]


def path_integral(windows: Windowed) -> list[Attribution]:
    """Integrated Gradients, see `attribution.integrated`."""
    options = windows.options
    return integrated_gradients(
        windows.function,
        windows.inputs,
        windows.baselines,
        steps=options.steps,
        max_steps=options.max_steps,
        tolerance=options.tolerance,
        grading=windows.grading,
        passes=windows.passes,
    )


def gradient_x_input(windows: Windowed) -> list[Attribution]:
    """(x - b) * grad F(x): what a linear function with the slope at x would be attributed."""
    pairs = zip(windows.inputs, windows.baselines, strict=True)
    maps = [gradient_times_input(windows.function, x, b) for x, b in pairs]
    return described(windows, maps, windows.baselines)


def gradient_shap(windows: Windowed) -> list[Attribution]:
    """Mean of (x - b) * grad F(b + a (x - b)) over random a in [0, 1] and random baselines b.

    Lundberg and Lee (NeurIPS 2017), as captum's GradientShap without noise on the input; also known
    as expected gradients (Erion et al., 2021). Its sum is F(x) less the mean of F over all
    baselines, up to the error of `steps` random points.
    """
    n = windows.options.steps
    maps = []
    for number, x in enumerate(windows.inputs):
        baselines = [of_kind[number] for of_kind in windows.baseline_sets]
        rng = rng_of("GradientSHAP", *windows.seeds[number])
        drawn = rng.integers(len(baselines), size=n)
        alphas = rng.uniform(size=n)
        total = torch.zeros_like(x)
        size = windows.passes.size(x)
        for start in range(0, n, size):
            differences = torch.stack([x - baselines[k] for k in drawn[start : start + size]])
            places = torch.from_numpy(alphas[start : start + size]).to(x)[:, None, None, None]
            points = (x - (1 - places) * differences).requires_grad_()
            (gradients,) = torch.autograd.grad(windows.function(points).sum(), points)
            total += (differences * gradients).sum(dim=0)
        maps.append(total / n)
    return described(windows, maps, *windows.baseline_sets)


def occlusion_time(windows: Windowed) -> list[Attribution]:
    """How far the score falls when a block of frames is replaced by the baseline.

    Zeiler and Fergus (ECCV 2014). The frames of a block share its value evenly.
    """
    maps = []
    for x, b in zip(windows.inputs, windows.baselines, strict=True):
        edges = block_edges(x.shape[1], windows.block)
        sizes = np.array([end - start for start, end in edges])
        falls = occlusion(windows.function, x, b, windows.block, windows.passes.size(x))
        maps.append(torch.from_numpy(np.repeat(falls / sizes, sizes))[None, :, None])
    return described(windows, maps, windows.baselines)


def occlusion_band(windows: Windowed) -> list[Attribution]:
    """How far the score falls when a rectangle is replaced: a block of frames, of some bands.

    An eighth of all bands at a time. The values of a rectangle share its fall evenly.

    Raises:
        ConfigError: the front-end has no frequency axis.
    """
    frontend = windows.detector.frontend
    if frontend.band_edges() is None:
        raise ConfigError(
            f"attribution: occlusion_band: front-end {frontend.name} has no frequency axis"
        )
    maps = []
    for x, b in zip(windows.inputs, windows.baselines, strict=True):
        high = -(-x.shape[2] // _BAND_BLOCKS)
        rectangles = [
            (first, last, low, top)
            for first, last in block_edges(x.shape[1], windows.block)
            for low, top in block_edges(x.shape[2], high)
        ]
        output = evaluate(windows.function, x[None], 1)
        values = torch.zeros(x.shape[1:], dtype=torch.float64)
        size = windows.passes.size(x)
        for start in range(0, len(rectangles), size):
            part = rectangles[start : start + size]
            occluded = x.repeat(len(part), 1, 1, 1)
            for row, (first, last, low, top) in zip(occluded, part, strict=True):
                row[:, first:last, low:top] = b[:, first:last, low:top]
            falls = output - evaluate(windows.function, occluded, size)
            for (first, last, low, top), fall in zip(part, falls, strict=True):
                values[first:last, low:top] = fall / ((last - first) * (top - low))
        maps.append(values[None])
    return described(windows, maps, windows.baselines)


def described(
    windows: Windowed, maps: Sequence[Tensor], *baseline_sets: Sequence[Tensor]
) -> list[Attribution]:
    """Maps with how far each is from adding up to the difference of the scores.

    Args:
        windows: what is explained.
        maps: one per window.
        baseline_sets: what the maps are relative to: baselines of each kind, of each window.
    """
    results = []
    for number, (x, values) in enumerate(zip(windows.inputs, maps, strict=True)):
        ends = torch.stack([x, *(of_kind[number] for of_kind in baseline_sets)])
        output, *at_baselines = evaluate(windows.function, ends, 1).tolist()
        baseline_output = sum(at_baselines) / len(at_baselines)
        difference = output - baseline_output
        delta = float(values.double().sum()) - difference
        error = abs(delta) / max(abs(difference), SMALLEST_DIFFERENCE)
        converged = error < windows.options.tolerance
        results.append(
            Attribution(values.float(), output, baseline_output, delta, error, 1, converged)
        )
    return results
