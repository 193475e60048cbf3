"""SpecAugment (Park et al., Interspeech 2019): in training, blocks of time and bands are hidden."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torchaudio.functional import mask_along_axis_iid


@dataclass(frozen=True)
class Masks:
    """How many masks each clip of a batch gets, drawn anew in every step.

    Attributes:
        time_masks: blocks of frames, over all bands.
        time_share: the longest block, as a share of the frames.
        band_masks: blocks of bands (or of dimensions), over all frames.
        band_share: the widest block, as a share of the bands.
    """

    time_masks: int
    time_share: float
    band_masks: int
    band_share: float

    def apply(self, values: Tensor) -> Tensor:
        """Features (B, C, N, D) with the same blocks of all channels at 0, the mean of features
        that are normalised.

        The draws are those of torch's global generator.
        """
        n_clips, _, n_frames, dim = values.shape
        # The masks of torchaudio are drawn for each channel, so they are drawn for one of ones.
        keep = torch.ones((n_clips, n_frames, dim), device=values.device)
        for _ in range(self.time_masks):
            keep = mask_along_axis_iid(keep, round(self.time_share * n_frames), 0.0, axis=1)
        for _ in range(self.band_masks):
            keep = mask_along_axis_iid(keep, round(self.band_share * dim), 0.0, axis=2)
        return values * keep[:, None].to(values.dtype)


@contextmanager
def masked_in_training(backend: nn.Module, masks: Masks | None) -> Iterator[None]:
    """Inside, a back-end in training mode reads masked features; without `masks` nothing happens.

    It is the input of the back-end that is masked, so it makes no difference whether the features
    come from a cache, a frozen front-end or one that is trained.
    """
    if masks is None:
        yield
        return

    def hide(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not module.training:
            return None
        values, *others = arguments
        return (masks.apply(values), *others)

    handle = backend.register_forward_pre_hook(hide)
    try:
        yield
    finally:
        handle.remove()
