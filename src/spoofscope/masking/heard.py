"""What a recogniser that was trained with CTC hears in each frame, for the published masks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from spoofscope.audio import Samples, resample
from spoofscope.errors import AudioError
from spoofscope.frontends.backbones import load_recogniser

BLANK = ""
"""Instead of a label: the recogniser says nothing. In a wav2vec 2.0 recogniser most frames of
speech are blank."""
DELIMITER = "|"
"""The label between words."""

Labels = npt.NDArray[np.str_]


class Listener:
    """A recogniser, and the likeliest label of its every frame.

    Args:
        source: see `backbones.load_recogniser`.
        device: "cpu" or "cuda".

    Raises:
        DetectorError: it cannot be loaded.
    """

    def __init__(self, source: Mapping[str, Any], device: str) -> None:
        self._recogniser = load_recogniser(source)
        self._recogniser.network.to(device)
        self._device = device
        names = {place: name for name, place in self._recogniser.vocabulary.items()}
        names[self._recogniser.blank] = BLANK
        size = 1 + max(names)
        self._names: Labels = np.array([names.get(place, "<unk>") for place in range(size)])

    def labels(self, samples: Samples, sample_rate: int, times: npt.NDArray[np.float64]) -> Labels:
        """The label of the recogniser's frame that is nearest to each of some times.

        Args:
            samples: (n,) float32.
            sample_rate: Hz.
            times: in seconds.

        Raises:
            AudioError: the clip is too short for a frame.
        """
        described = self._recogniser.description
        x = resample(samples, sample_rate, described.sample_rate)
        hop, field = 1, 1
        for kernel, stride in zip(
            described.config.conv_kernel, described.config.conv_stride, strict=True
        ):
            field += (kernel - 1) * hop
            hop *= stride
        if x.size < field:
            raise AudioError(f"a clip of {x.size} samples is too short for the recogniser")
        waveform = torch.from_numpy(x)[None].to(self._device)
        if described.normalize:
            # As the feature extractor of transformers does it.
            waveform = (waveform - waveform.mean()) / (waveform.var(correction=0) + 1e-7).sqrt()
        with torch.inference_mode():
            best = self._recogniser.network(waveform).logits[0].argmax(dim=-1).cpu().numpy()
        frames = np.rint((times * described.sample_rate - field / 2) / hop).astype(np.int64)
        return self._names[best[np.clip(frames, 0, best.size - 1)]]
