"""The file that holds attributions averaged over windows. NumPy only.

safetensors: per group of windows the tensors `{key}/attribution`, `{key}/absolute` and
`{key}/image`, float64 (bands, frames); everything else in one metadata entry of canonical JSON.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from spoofscope.errors import DetectorError
from spoofscope.files import atomic_path
from spoofscope.identity import canonical_json

Floats = npt.NDArray[np.float64]
Group = Literal["bonafide", "spoof", "both", "attack"]

_KEY = "spoofscope"
_FORMAT = 1
_MAPS = ("attribution", "absolute", "image")


@dataclass(frozen=True)
class MeanSettings:
    """What all means of a file share.

    Attributes:
        function: what was explained: the `probability` of the target, or its `score`.
        target: positive values are evidence for this class.
        baseline: what the attributions are relative to.
        band_edges: band k reaches from value k to k + 1, in Hz; (bands + 1,).
        hop_seconds, first_centre_seconds: frame i is centred at
            first_centre_seconds + i * hop_seconds, from the start of the window.
        window_seconds: length of a window.
        tolerance: relative completeness error that counts as converged.
    """

    function: Literal["probability", "score"]
    target: Literal["bonafide", "spoof"]
    baseline: str
    band_edges: tuple[float, ...]
    hop_seconds: float
    first_centre_seconds: float
    window_seconds: float
    tolerance: float


@dataclass(frozen=True)
class MeanAttribution:
    """The mean over the windows of a group.

    Attributes:
        group: `bonafide`, `spoof`, `both`, or `attack` for a single one.
        attack: its name; "-" for the other groups.
        n_windows, n_utterances: how many windows, of how many clips.
        output, baseline_output: means of the explained function at the windows and at the baseline.
        delta: mean of the completeness errors: the sum of `attribution` is output -
            baseline_output + delta.
        beyond: how many windows are beyond the tolerance.
        steps: most points on a path.
        attribution: mean, (bands, frames), lowest band first.
        absolute: mean of the magnitudes, (bands, frames).
        image: mean normalised feature, (bands, frames).
        frequency: mean over windows of the sum over time, (bands,).
        frequency_error: its standard error over windows, (bands,); NaN for a single window.
    """

    group: Group
    attack: str
    n_windows: int
    n_utterances: int
    output: float
    baseline_output: float
    delta: float
    beyond: int
    steps: int
    attribution: Floats
    absolute: Floats
    image: Floats
    frequency: Floats
    frequency_error: Floats

    @property
    def key(self) -> str:
        """What the group is called in the file."""
        return f"attack/{self.attack}" if self.group == "attack" else self.group


_ARRAYS = (*_MAPS, "frequency", "frequency_error")
_SCALARS = tuple(field.name for field in fields(MeanAttribution) if field.name not in _ARRAYS)


def write_means(path: str | Path, settings: MeanSettings, means: Sequence[MeanAttribution]) -> None:
    """Write means in their order, atomically; the same content gives the same bytes."""
    tensors = {
        f"{mean.key}/{name}": np.ascontiguousarray(getattr(mean, name))
        for mean in means
        for name in _ARRAYS
    }
    content = {
        "format": _FORMAT,
        "settings": {field.name: getattr(settings, field.name) for field in fields(MeanSettings)},
        "groups": [{name: getattr(mean, name) for name in _SCALARS} for mean in means],
    }
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary, {_KEY: canonical_json(content)})


def read_means(path: str | Path) -> tuple[MeanSettings, list[MeanAttribution]]:
    """Read what :func:`write_means` wrote.

    Raises:
        DetectorError: the file is missing, damaged, or something else.
    """
    try:
        # The annotations of safetensors are incomplete.
        file: Any = safetensors.safe_open(path, framework="numpy")
        content = json.loads(file.metadata()[_KEY])
        if content["format"] != _FORMAT:
            raise DetectorError(f"{path} has format {content['format']}, not {_FORMAT}")
        shared = content["settings"]
        settings = MeanSettings(**{**shared, "band_edges": tuple(shared["band_edges"])})
        means = []
        for scalars in content["groups"]:
            key = f"attack/{scalars['attack']}"
            key = key if scalars["group"] == "attack" else scalars["group"]
            arrays = {name: file.get_tensor(f"{key}/{name}") for name in _ARRAYS}
            means.append(MeanAttribution(**scalars, **arrays))
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise DetectorError(f"{path} holds no mean attributions, or is damaged: {error}") from error
    return settings, means
