"""The ten measures and the EER of Staněk et al. (Interspeech 2026), exactly as published.

They are here to compare with published tables. What is wrong with them, and which measures of
:mod:`spoofscope.artefacts.measures` say the same without it:

* Levels are absolute: "voiced" is a frame whose RMS is above 0.05, so a change of volume changes
  voicing. Instead: `voiced_share`, by periodicity.
* A clip in which the detector of speech finds none is silent throughout. Instead:
  `leading_silence`, `trailing_silence` and `speech_length`, relative to the clip's own level.
* The frames of the RMS lie half a frame before those that are tested to be speech.
* Counts of frames and `rms_first_100ms` repeat duration and volume. Instead: `onset_level`;
  `level` and `snr` in dB for `rmse_mean` and `rmse_amplitude`.
* The EER takes ties for errors, or for hits: no information gives 1, see :func:`published_eer`.
"""

import numpy as np
import numpy.typing as npt

from spoofscope.artefacts.spectra import Floats
from spoofscope.audio import Samples

PREFIX = "published_"
"""The names of these measures begin so."""

PUBLISHED = tuple(
    PREFIX + name
    for name in (
        "duration_s",
        "leading_silence_s",
        "trailing_silence_s",
        "speech_length_s",
        "voiced_frames",
        "unvoiced_frames",
        "voiced_unvoiced_ratio",
        "rms_first_100ms",
        "rmse_mean",
        "rmse_amplitude",
    )
)
"""Names of the ten, in the order of :func:`measure_as_published`."""

_FRAME_SECONDS = 0.030
_LOUD = 0.05


def measure_as_published(samples: Samples, sample_rate: int) -> dict[str, float | None]:
    """The ten measures of one clip; None where a ratio is infinite.

    Frames of 30 ms that do not overlap. The RMS of frames centred on their starts, zeros beyond the
    ends (as librosa 0.10 and later); silence is what `torchaudio.functional.vad` removes from the
    clip, and from the clip backwards. A clip without speech has a silence of its whole duration at
    either end.

    Args:
        samples: (n,) float32 in about [-1, 1].
        sample_rate: Hz.
    """
    size = round(_FRAME_SECONDS * sample_rate)
    duration = samples.size / sample_rate
    padded = np.pad(samples.astype(np.float64), size // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::size]
    rms: Floats = np.sqrt(np.mean(frames**2, axis=1))
    leading = _removed(samples, sample_rate) / sample_rate
    trailing = _removed(samples[::-1], sample_rate) / sample_rate
    start, end = leading, duration - trailing
    first = np.arange(min(rms.size, samples.size // size)) * size / sample_rate
    spoken = (first >= start) & (first + size / sample_rate <= end)
    loud = rms[: first.size][spoken] > _LOUD
    voiced, unvoiced = int(loud.sum()), int((~loud).sum())
    ratio: float | None = voiced / unvoiced if unvoiced else (None if voiced else 0.0)
    values = (
        duration,
        leading,
        trailing,
        max(0.0, duration - leading - trailing),
        float(voiced),
        float(unvoiced),
        ratio,
        float(rms[:3].mean()),
        float(rms.mean()),
        float(np.ptp(rms)),
    )
    return dict(zip(PUBLISHED, values, strict=True))


def _removed(samples: Samples, sample_rate: int) -> int:
    """How many samples torchaudio's detector of speech takes off the start."""
    import torch
    from torchaudio.functional import vad

    kept = vad(torch.from_numpy(np.ascontiguousarray(samples)), sample_rate)
    return samples.size - int(kept.shape[-1])


def published_eer(bonafide: npt.ArrayLike, spoof: npt.ArrayLike) -> float:
    """The EER of a measure as published, in [0, 1], of the better of both directions.

    All values are thresholds, those within runs of equal ones, too, and bona fide ones come first
    there. So two samples that are all zeros give 1, and samples of one distribution with 80 % zeros
    about 0.78; by the right way (`metrics.rates.eer`) both give 0.5.

    Args:
        bonafide: (n,), n >= 1.
        spoof: (m,), m >= 1.
    """
    first, second = np.asarray(bonafide, np.float64), np.asarray(spoof, np.float64)

    def one_way(targets: Floats, others: Floats) -> float:
        values = np.concatenate([targets, others])
        is_target = np.arange(values.size) < targets.size
        sorted_targets = is_target[np.argsort(values, kind="stable")]
        missed = np.cumsum(sorted_targets) / targets.size
        accepted = 1 - np.cumsum(~sorted_targets) / others.size
        i = int(np.argmin(np.abs(missed - accepted)))
        return float((missed[i] + accepted[i]) / 2)

    return min(one_way(first, second), one_way(-first, -second))
