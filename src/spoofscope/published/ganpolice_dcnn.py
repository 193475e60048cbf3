"""The DCNN of Gasenzer and Wolter (TMLR 2024): three checkpoints of the authors' release.

They judge one second each, on a log power spectrum (`stft`) or on wavelet packets (`sym5`,
`coif4`). The network of coif4 halves its maps by strides instead of maxima. The training set's mean
and standard deviation, two numbers by which features are normalised, were not released.
"""

import math
from collections.abc import Mapping
from typing import Any

from spoofscope.detector import Detector
from spoofscope.errors import DetectorError
from spoofscope.frontends.spectral import SpectralFrontEnd, Standardisation
from spoofscope.options import nearest
from spoofscope.windows import InputPolicy

INSIDE: str | None = "MODEL_STATE"
IGNORED: tuple[str, ...] = ()

_RATE = 22050

POLICY = InputPolicy(
    sample_rate=_RATE, length=_RATE, tail="drop", short="refuse", resample="window"
)
"""Successive seconds of the recording, each resampled by itself; a rest of less is left out."""

_GUESSES = {"stft": (-7.9646, 4.7369), "sym5": (-13.0602, 4.8204), "coif4": (-13.5261, 4.8786)}


def untrained(format_name: str, arguments: Mapping[str, Any]) -> Detector:
    """A detector of a checkpoint's architecture, its weights still random.

    Args:
        format_name: for messages.
        arguments: `wavelet` (sym5 or coif4) or `stft`; `mean` and `std`, of the training set's
            features.

    Raises:
        DetectorError: one is missing or out of range.
    """
    weights = _which(format_name, arguments)
    mean, std = _statistics(format_name, arguments, weights)
    front_end: dict[str, Any] = {"sample_rate": _RATE, "power": 2.0, "log_scale": True}
    if weights == "stft":
        front_end |= {"type": "stft", "n_fft": 511, "hop": 220}
    else:
        front_end |= {"type": "wavelet_packets", "wavelet": weights, "level": 8}
    downsampling = "stride" if weights == "coif4" else "pool"
    detector = Detector(
        {**front_end, "normalise": "global"},
        {"type": "dcnn", "downsampling": downsampling},
        POLICY,
    )
    assert isinstance(detector.frontend, SpectralFrontEnd)
    statistics = detector.frontend.statistics
    assert isinstance(statistics, Standardisation)
    statistics.mean.fill_(mean)
    statistics.std.fill_(std)
    return detector


def published_name(name: str) -> str | None:
    """The published name of a tensor of the detector; None for the statistics."""
    return name.removeprefix("backend.") if name.startswith("backend.") else None


def _which(format_name: str, arguments: Mapping[str, Any]) -> str:
    if ("wavelet" in arguments) == ("stft" in arguments):
        raise DetectorError(
            f"format {format_name} needs to know which checkpoint it is: one of --wavelet sym5, "
            "--wavelet coif4 and --stft"
        )
    wavelet = str(arguments.get("wavelet", "stft"))
    if "wavelet" in arguments and wavelet not in ("sym5", "coif4"):
        raise DetectorError(
            f"format {format_name} has no weights for the wavelet {wavelet!r}; "
            f"{nearest(wavelet, ('sym5', 'coif4'))}"
        )
    return wavelet


def _statistics(
    format_name: str, arguments: Mapping[str, Any], weights: str
) -> tuple[float, float]:
    if "mean" not in arguments or "std" not in arguments:
        guesses = ", ".join(
            f"{name} {mean:.4f} and {std:.4f}" for name, (mean, std) in _GUESSES.items()
        )
        raise DetectorError(
            f"format {format_name} needs --mean and --std, by which the training set's features "
            f"were normalised: they were not released, and scores depend on them; best guesses: "
            f"{guesses}; for this file --mean {_GUESSES[weights][0]} --std {_GUESSES[weights][1]}"
        )
    mean, std = float(arguments["mean"]), float(arguments["std"])
    if not math.isfinite(mean) or not math.isfinite(std) or std <= 0:
        raise DetectorError(
            f"format {format_name}: --mean must be finite and --std positive, not {mean} and {std}"
        )
    return mean, std
