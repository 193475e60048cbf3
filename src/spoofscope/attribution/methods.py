"""The methods of attribution, each from windows to their attributions.

A method is a function of `Windowed`, and is found by its name in `attribution_methods`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spoofscope.attribution.faithfulness import block_edges, gradient_times_input, occlusion
from spoofscope.attribution.integrated import (
    SMALLEST_DIFFERENCE,
    Attribution,
    Function,
    evaluate,
    integrated_gradients,
)
from spoofscope.detector import Detector
from spoofscope.options.attribution import ExplainOptions

ONE_ROW = ("occlusion_time",)
"""Methods that give one value per frame, whatever the features of a frame."""


@dataclass(frozen=True)
class Windowed:
    """Windows whose scores are attributed.

    Attributes:
        detector: in evaluation mode.
        function: what is explained, from (B, C, N, D) to (B,); see `integrated.score_function`.
        inputs: what it is a function of: (C, N, D) of each window.
        baselines: what the inputs are compared with, of the same shapes.
        options: of the study.
        block: frames that occlusion replaces at once.
    """

    detector: Detector
    function: Function
    inputs: Sequence[Tensor]
    baselines: Sequence[Tensor]
    options: ExplainOptions
    block: int


def path_integral(windows: Windowed) -> list[Attribution]:
    """Integrated Gradients, see `attribution.integrated`."""
    options = windows.options
    return [
        integrated_gradients(
            windows.function,
            x,
            b,
            steps=options.steps,
            max_steps=options.max_steps,
            tolerance=options.tolerance,
            internal_batch=options.internal_batch,
        )
        for x, b in zip(windows.inputs, windows.baselines, strict=True)
    ]


def gradient_x_input(windows: Windowed) -> list[Attribution]:
    """(x - b) * grad F(x): what a linear function with the slope at x would be attributed."""
    pairs = zip(windows.inputs, windows.baselines, strict=True)
    return _described(windows, [gradient_times_input(windows.function, x, b) for x, b in pairs])


def occlusion_time(windows: Windowed) -> list[Attribution]:
    """How far the score falls when a block of frames is replaced by the baseline.

    Zeiler and Fergus (ECCV 2014). The frames of a block share its value evenly.
    """
    maps = []
    for x, b in zip(windows.inputs, windows.baselines, strict=True):
        edges = block_edges(x.shape[1], windows.block)
        sizes = np.array([end - start for start, end in edges])
        falls = occlusion(windows.function, x, b, windows.block, windows.options.internal_batch)
        maps.append(torch.from_numpy(np.repeat(falls / sizes, sizes))[None, :, None])
    return _described(windows, maps)


def _described(windows: Windowed, maps: Sequence[Tensor]) -> list[Attribution]:
    """Maps with how far each is from adding up to the difference of the scores."""
    results = []
    for x, b, values in zip(windows.inputs, windows.baselines, maps, strict=True):
        output, baseline_output = evaluate(windows.function, torch.stack([x, b]), 1).tolist()
        difference = output - baseline_output
        delta = float(values.double().sum()) - difference
        error = abs(delta) / max(abs(difference), SMALLEST_DIFFERENCE)
        results.append(
            Attribution(
                values.float(),
                output,
                baseline_output,
                delta,
                error,
                1,
                error < windows.options.tolerance,
            )
        )
    return results
