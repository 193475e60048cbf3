"""Integrated Gradients of a detector's score with respect to the features that it scores.

Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks" (ICML 2017). For the function
F that is explained, the features x and a baseline b of the same shape,

    IG(x) = (x - b) * integral over a in [0, 1] of grad F(b + a (x - b)),

and completeness must hold: the sum of IG(x) is F(x) - F(b).

The first axis is the batch. Hidden states stacked layer first would be taken for a batch of layers,
and the result would be no attribution of any function; so features are always (batch, channels,
frames, dimensions) here.
"""

import contextlib
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
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

Floats = npt.NDArray[np.float64]
Function = Callable[[Tensor], Tensor]


class Attribution(NamedTuple):
    """Integrated Gradients of one window.

    Attributes:
        values: float32 (C, N, D), like the features.
        output, baseline_output: F(x) and F(b), scores.
        delta: sum of `values` minus (output - baseline_output).
        relative_error: |delta| / max(|output - baseline_output|, smallest difference).
        steps: points on the path in the last attempt; all were used.
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


@dataclass(frozen=True)
class Passes:
    """How much goes through a function at once, over windows, utterances and points together.

    Attributes:
        points: at most so many inputs.
        values: at most so many feature values; a single input may have more.
        values_per_input: feature values that come of one value of an input: 1 where the inputs are
            features, more where they are samples.
    """

    points: int = 16
    values: int = 2**27
    values_per_input: float = 1.0

    def size(self, values: Tensor) -> int:
        """How many inputs (C, N, D) of this size go through at once, at least 1."""
        fitting = int(self.values / (values.numel() * self.values_per_input))
        return max(1, min(self.points, fitting))


def clenshaw_curtis(n: int) -> tuple[Floats, Floats]:
    """Nodes, ascending in [0, 1], and weights of the Clenshaw-Curtis rule, each (n,).

    The nodes of n points are among those of 2 n - 1; of one point, the middle, among those of 3.
    Exact for polynomials of degree n - 1. Weights by Waldvogel, "Fast construction of the Fejér and
    Clenshaw-Curtis quadrature rules" (BIT 2006); Trefethen, "Is Gauss quadrature better than
    Clenshaw-Curtis?" (SIAM Review 2008), shows why the points that can be used again cost little.
    """
    if n == 1:
        return np.array([0.5]), np.array([1.0])
    last = n - 1
    places = np.arange(n)
    orders = 2 * np.minimum(places[:-1], last - places[:-1])
    inner = np.fft.ifft(1 / (1 - orders.astype(np.float64) ** 2)).real
    weights = np.concatenate([inner, inner[:1]])
    weights[[0, -1]] /= 2
    return (1 - np.cos(np.pi * places / last)) / 2, weights


def _graded(n: int, grading: int) -> tuple[Floats, Floats]:
    """Nodes and weights of the same integral over s, where the path is at s ** grading."""
    nodes, weights = clenshaw_curtis(n)
    return nodes**grading, weights * grading * nodes ** (grading - 1)


def point_counts(steps: int, max_steps: int) -> list[int]:
    """Points of each attempt: n, then 2 n - 1 (3 after 1), up to `max_steps`."""
    counts = [steps]
    while (following := max(3, 2 * counts[-1] - 1)) <= max_steps:
        counts.append(following)
    return counts


class _Path:
    """The path of one window: sums of its gradients under the rule of every attempt to come.

    A rule gives another weight to points that an earlier rule has, too. So a gradient is added to
    the sums of all attempts when it is computed, and no gradient is computed twice or kept.
    """

    def __init__(
        self, features: Tensor, baseline: Tensor, counts: Sequence[int], grading: int
    ) -> None:
        self.baseline, self.difference = baseline, features - baseline
        self._sums = [torch.zeros_like(features) for _ in counts]
        self._rules = [_graded(n, grading) for n in counts]
        self.attempt = 0
        self.delta = float("inf")

    def new_points(self) -> list[tuple[int, float]]:
        """Number and place of the points of this attempt that no attempt before it has."""
        nodes = self._rules[self.attempt][0]
        if self.attempt == 0:
            numbers = range(len(nodes))
        else:
            # Of three points, the one in the middle may be known; of more, every second one is.
            after_one = len(self._rules[self.attempt - 1][0]) == 1
            numbers = range(0, 3, 2) if after_one else range(1, len(nodes), 2)
        return [(number, float(nodes[number])) for number in numbers]

    def add(self, numbers: Sequence[int], gradients: Tensor) -> None:
        """Gradients (n, C, N, D) at some of the points of this attempt."""
        places = np.array(numbers)
        for later in range(self.attempt, len(self._rules)):
            weights = self._rules[later][1]
            factors = torch.from_numpy(weights[places]).to(gradients)
            self._sums[later] += torch.tensordot(factors, gradients, dims=1)
            places = places + 1 if len(weights) == 1 else 2 * places

    def values(self) -> Tensor:
        """What the window is attributed by this attempt, (C, N, D)."""
        return self.difference * self._sums[self.attempt]


def integrated_gradients(
    function: Function,
    features: Sequence[Tensor],
    baselines: Sequence[Tensor],
    *,
    steps: int = 50,
    max_steps: int = 400,
    tolerance: float = 0.05,
    grading: int = 1,
    passes: Passes | None = None,
    smallest_difference: float = SMALLEST_DIFFERENCE,
) -> list[Attribution]:
    """Integrated Gradients of windows, each with as many points as its completeness asks for.

    The integral is a Clenshaw-Curtis sum over `steps` points. While the relative completeness error
    of a window is not below `tolerance`, its points are doubled, up to `max_steps`; all that were
    computed are used again. Points of all windows of one shape go through the function together.

    A function that jumps on the path never gets there, because no gradient sees a jump; AASIST
    jumps whenever its best graph nodes change. The doubling ends as soon as it changes the error by
    less than a tenth: what is left then is jumps, and the result says `converged = False`.

    Args:
        function: from (B, C, N, D) to (B,), see :func:`score_function`.
        features: (C, N, D) of each window; windows may differ in shape.
        baselines: of the same shapes.
        steps: points of the first attempt.
        max_steps: no attempt has more points.
        tolerance: relative completeness error, such as 0.05.
        grading: more than 1 where a function changes most near the baseline, as networks do near
            silence because they normalise: points are then denser there. The integral is the same.
        passes: how much goes through the function at once.
        smallest_difference: the error is relative to this where outputs are nearer to each other.

    Returns:
        One attribution per window, in their order; those of other windows in the same call do not
        change it beyond float rounding.

    Raises:
        DetectorError: shapes differ, or an attribution is not finite.
    """
    for x, b in zip(features, baselines, strict=True):
        if x.dim() != 3 or x.shape != b.shape:
            raise DetectorError(
                "features and baseline of one window must both be (channels, frames, dimensions); "
                f"got {tuple(x.shape)} and {tuple(b.shape)}"
            )
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for i, x in enumerate(features):
        by_shape.setdefault(tuple(x.shape), []).append(i)
    results: dict[int, Attribution] = {}
    for members in by_shape.values():
        ends = [end for i in members for end in (features[i], baselines[i])]
        size = (passes or Passes()).size(ends[0])
        outputs = (
            torch.cat(
                [
                    evaluate(function, torch.stack(ends[i : i + size]), size)
                    for i in range(0, len(ends), size)
                ]
            )
            .view(-1, 2)
            .tolist()
        )
        counts = point_counts(steps, max_steps)
        paths = {i: _Path(features[i], baselines[i], counts, grading) for i in members}
        known = dict(zip(members, outputs, strict=True))
        while paths:
            _advance(function, list(paths.values()), size)
            for i in list(paths):
                output, baseline_output = known[i]
                path = paths[i]
                values = path.values()
                if not bool(torch.isfinite(values).all()):
                    raise DetectorError("an attribution is NaN or infinite")
                difference = output - baseline_output
                delta = float(values.double().sum()) - difference
                error = abs(delta) / max(abs(difference), smallest_difference)
                settled = abs(delta - path.delta) < _SETTLED * abs(delta)
                if error < tolerance or settled or path.attempt + 1 == len(counts):
                    results[i] = Attribution(
                        values,
                        output,
                        baseline_output,
                        delta,
                        error,
                        counts[path.attempt],
                        error < tolerance,
                    )
                    del paths[i]
                else:
                    path.delta = delta
                    path.attempt += 1
    return [results[i] for i in range(len(features))]


def _advance(function: Function, paths: Sequence[_Path], size: int) -> None:
    """Compute the gradients that each path lacks, at most `size` points at once."""
    todo = [(path, *point) for path in paths for point in path.new_points()]
    for start in range(0, len(todo), size):
        part = todo[start : start + size]
        points = torch.stack([path.baseline + alpha * path.difference for path, _, alpha in part])
        points.requires_grad_()
        (gradients,) = torch.autograd.grad(function(points).sum(), points)
        first = 0
        for path, points_of_path in itertools.groupby(part, lambda point: point[0]):
            numbers = [number for _, number, _ in points_of_path]
            path.add(numbers, gradients[first : first + len(numbers)])
            first += len(numbers)
