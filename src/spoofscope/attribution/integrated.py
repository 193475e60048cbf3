"""Integrated Gradients of a detector's score with respect to the features that it scores.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017), through captum.
For the function F that is explained, the features x and a baseline b of the same shape,

    IG(x) = (x - b) * integral over a in [0, 1] of grad F(b + a (x - b)),

and completeness must hold: the sum of IG(x) is F(x) - F(b).

captum takes the first axis as the batch. Hidden states stacked layer first would be taken for a
batch of layers, and the result would be no attribution of any function; so features are always
(batch, channels, frames, dimensions) here.
"""

import contextlib
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from spoofscope.detector import Detector
from spoofscope.errors import ConfigError, DetectorError
from spoofscope.options.attribution import TARGETS, Target

SMALLEST_DIFFERENCE = 1e-3
"""Of scores. Where features and baseline score nearer to each other than this, the completeness
error is stated relative to this value: a ratio of two rounding errors would mean nothing."""

# Doubling the steps no longer helps once it changes the completeness error by less than this share.
_SETTLED = 0.1

Function = Callable[[Tensor], Tensor]


class Attribution(NamedTuple):
    """Integrated Gradients of one window.

    Attributes:
        values: float32 (C, N, D), like the features.
        output, baseline_output: F(x) and F(b), scores.
        delta: sum of `values` minus (output - baseline_output).
        relative_error: |delta| / max(|output - baseline_output|, smallest difference).
        steps: points on the path in the last attempt.
        converged: whether the relative error is below the tolerance.
    """

    values: Tensor
    output: float
    baseline_output: float
    delta: float
    relative_error: float
    steps: int
    converged: bool


def score_function(detector: Detector, target: Target) -> Function:
    """The function that is explained: from features (B, C, N, D) without padding to (B,).

    For the target `bonafide` the score; for `spoof` its
    negative. The detector has to be in evaluation mode.

    Raises:
        ConfigError: no such target. DetectorError: the detector is in training mode.
    """
    if target not in TARGETS:
        raise ConfigError(f"attribution: target must be one of {', '.join(TARGETS)}")
    if detector.training:
        raise DetectorError("the detector to explain is in training mode: call eval() first")
    sign = 1.0 if target == "bonafide" else -1.0

    def function(values: Tensor) -> Tensor:
        lengths = torch.full((values.shape[0],), values.shape[2], device=values.device)
        return sign * detector.score_tensor(detector.backend_logits(values, lengths))

    return function


def recurrent_safe(module: nn.Module) -> contextlib.AbstractContextManager[None]:
    """A context in which gradients flow through recurrent layers in evaluation mode on a GPU.

    cuDNN computes no gradients of recurrent layers outside training mode; PyTorch's own kernels do.
    """
    if any(isinstance(part, nn.RNNBase) for part in module.modules()):
        context: contextlib.AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=False)
        return context
    return contextlib.nullcontext()


def evaluate(function: Function, batch: Tensor, internal_batch: int) -> Tensor:
    """F of a batch (B, C, N, D) in chunks, without gradients: float64 (B,) on the CPU."""
    with torch.no_grad():
        parts = [function(part).double().cpu() for part in torch.split(batch, internal_batch)]
    return torch.cat(parts)


def integrated_gradients(
    function: Function,
    features: Tensor,
    baseline: Tensor,
    *,
    steps: int = 50,
    max_steps: int = 400,
    tolerance: float = 0.05,
    internal_batch: int = 16,
    smallest_difference: float = SMALLEST_DIFFERENCE,
) -> Attribution:
    """Integrated Gradients of one window, with as many path points as completeness asks for.

    The integral is a Gauss-Legendre sum over `steps` points. While the relative completeness error
    is not below `tolerance`, the steps are doubled, up to `max_steps`.

    A function that jumps on the path never gets there, because no gradient sees a jump; AASIST
    jumps whenever its best graph nodes change. The doubling ends as soon as it changes the error by
    less than a tenth: what is left then is jumps, and the result says `converged = False`.

    Args:
        function: from (B, C, N, D) to (B,), see :func:`score_function`.
        features: (C, N, D) of one window.
        baseline: (C, N, D).
        steps: points of the first attempt.
        max_steps: no attempt has more points.
        tolerance: relative completeness error, such as 0.05.
        internal_batch: points that go through the function at once.
        smallest_difference: the error is relative to this where outputs are nearer to each other.

    Raises:
        DetectorError: shapes differ, or an attribution is not finite.
    """
    from captum.attr import IntegratedGradients

    if features.dim() != 3 or features.shape != baseline.shape:
        raise DetectorError(
            "features and baseline of one window must both be (channels, frames, dimensions); "
            f"got {tuple(features.shape)} and {tuple(baseline.shape)}"
        )
    output, baseline_output = evaluate(function, torch.stack([features, baseline]), 1).tolist()
    difference = output - baseline_output
    method = IntegratedGradients(function)
    before = float("inf")
    while True:
        values: Tensor = method.attribute(
            features[None],
            baselines=baseline[None],
            n_steps=steps,
            method="gausslegendre",
            internal_batch_size=internal_batch,
        )[0].detach()
        if not bool(torch.isfinite(values).all()):
            raise DetectorError("an attribution is NaN or infinite")
        delta = float(values.double().sum()) - difference
        error = abs(delta) / max(abs(difference), smallest_difference)
        settled = abs(delta - before) < _SETTLED * abs(delta)
        if error < tolerance or settled or 2 * steps > max_steps:
            break
        before = delta
        steps *= 2
    return Attribution(
        values.float(), output, baseline_output, delta, error, steps, error < tolerance
    )
