"""Whether an attribution says something about the detector: cross-checks and sanity checks.

* Gradient x input and occlusion: other methods, whose maps should rank frames alike.
* Deletion and insertion (Samek et al., "Evaluating the visualization of what a deep neural network
  has learned", 2017): taking away the frames with the most evidence should change the score more
  than taking away as many others.
* Randomisation (Adebayo et al., "Sanity checks for saliency maps", 2018): a map that stays the same
  when the back-end forgets what it has learned does not depend on that.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spoofscope.attribution.integrated import Function, evaluate

Floats = npt.NDArray[np.float64]

FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares of the frames that deletion takes away and insertion puts in."""


def gradient_times_input(function: Function, features: Tensor, baseline: Tensor) -> Tensor:
    """(x - b) * grad F(x): float32 (C, N, D), for features and baseline of that shape."""
    values = features[None].detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(values).sum(), values)
    return ((features - baseline) * gradient[0]).detach()


def block_edges(n_frames: int, block: int) -> list[tuple[int, int]]:
    """First and last + 1 frame of consecutive blocks; the last one may be shorter."""
    return [(start, min(start + block, n_frames)) for start in range(0, n_frames, block)]


def occlusion(
    function: Function, features: Tensor, baseline: Tensor, block: int, internal_batch: int
) -> Floats:
    """F(x) minus F with one block of frames replaced by the baseline: (n_blocks,).

    Args:
        function: what is explained.
        features: (C, N, D).
        baseline: (C, N, D).
        block: frames per block.
        internal_batch: blocks that go through the function at once.
    """
    edges = block_edges(features.shape[1], block)
    output = evaluate(function, features[None], 1)
    outputs = []
    for first in range(0, len(edges), internal_batch):
        chunk = edges[first : first + internal_batch]
        occluded = features.repeat(len(chunk), 1, 1, 1)
        for row, (start, end) in zip(occluded, chunk, strict=True):
            row[:, start:end] = baseline[:, start:end]
        outputs.append(evaluate(function, occluded, internal_batch))
    return (output - torch.cat(outputs)).numpy()


class MaskingCurves(NamedTuple):
    """What masking by attribution does to F, in units of the score, float64.

    deletion (len(FRACTIONS),): how far F moves towards its value at the baseline when the frames
    with the most evidence against that are replaced by the baseline. insertion (len(FRACTIONS),):
    how far F moves away from it when these frames are put into the baseline. deletion_draws and
    insertion_draws (len(FRACTIONS), controls): the same of masks of as many frames elsewhere.
    """

    deletion: Floats
    deletion_draws: Floats
    insertion: Floats
    insertion_draws: Floats

    @property
    def deletion_control(self) -> Floats:
        """Means over the masks elsewhere, (len(FRACTIONS),)."""
        return self.deletion_draws.mean(axis=1)

    @property
    def insertion_control(self) -> Floats:
        """The same of insertion."""
        return self.insertion_draws.mean(axis=1)


def masking_curves(
    function: Function,
    features: Tensor,
    baseline: Tensor,
    attribution: npt.NDArray[np.floating],
    *,
    controls: int,
    rng: np.random.Generator,
    internal_batch: int,
) -> MaskingCurves:
    """Deletion and insertion curves of one window, with their random controls.

    A control masks the same frames shifted circularly by a random number of frames: it has not only
    the size of the mask but also its run lengths, because detectors mind many short gaps more than
    a few long ones.

    Args:
        function: what is explained.
        features: (C, N, D).
        baseline: (C, N, D).
        attribution: (N,), contribution of each frame to F(x) - F(b).
        controls: random shifts.
        rng: where they come from.
        internal_batch: masks that go through the function at once.
    """
    n_frames = features.shape[1]
    at_features, at_baseline = evaluate(function, torch.stack([features, baseline]), 1).tolist()
    towards = 1.0 if at_features >= at_baseline else -1.0
    order = np.argsort(-towards * attribution, kind="stable")
    # Shifts by 1 to n - 1; a window of one frame has only itself.
    shifts = rng.integers(1, max(n_frames, 2), controls)
    masks = []
    for fraction in FRACTIONS:
        mask = np.zeros(n_frames, dtype=bool)
        mask[order[: max(1, round(fraction * n_frames))]] = True
        masks += [mask, *(np.roll(mask, shift) for shift in shifts)]
    chosen = torch.from_numpy(np.stack(masks)).to(features.device)

    def outputs(inside: Tensor, outside: Tensor) -> Floats:
        parts = []
        for chunk in torch.split(chosen, internal_batch):
            mixed = torch.where(chunk[:, None, :, None], inside, outside)
            parts.append(evaluate(function, mixed, internal_batch))
        return torch.cat(parts).numpy().reshape(len(FRACTIONS), 1 + controls)

    deletion = towards * (at_features - outputs(baseline, features))
    insertion = towards * (outputs(features, baseline) - at_baseline)
    return MaskingCurves(
        deletion[:, 0],
        deletion[:, 1:],
        insertion[:, 0],
        insertion[:, 1:],
    )
