"""The file that holds the attributions of one detector on one corpus. NumPy only.

safetensors: per utterance the tensors `{utt_id}/map` (rows, frames), `{utt_id}/coverage` (frames,)
and the masking curves; everything else in one metadata entry of canonical JSON, because the order
of several entries would differ from run to run.
"""

import json
from collections.abc import Iterator, Sequence
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
from spoofscope.options.attribution import PATH_INTEGRAL

_KEY = "spoofscope"
_FORMAT = 2

MASKINGS = ("deletion", "deletion_control", "insertion", "insertion_control")


@dataclass(frozen=True)
class Settings:
    """What all attributions of a file share.

    Attributes:
        target: positive values are evidence for this class.
        baseline: what the attributions are relative to.
        row_axis: what the rows of a map are: "layer", "cepstrum" or "band"; "all" where the method
            has one value per frame, as have all where samples are explained.
        n_rows: how many rows a map has.
        band_edges: row k reaches from value k to k + 1, in Hz, (n_rows + 1,); empty where rows are
            no bands.
        sample_rate: Hz of the audio that was explained.
        hop_seconds, first_centre_seconds: frame i is centred at
            first_centre_seconds + i * hop_seconds.
        smoothing_frames: odd width of the moving average behind the regions.
        fractions: shares of masked frames, the axis of the masking curves.
        tolerance: relative completeness error that counts as converged.
        method: of attribution, see `attribution_methods`; files of before have none, and are of
            Integrated Gradients.
        wrt: what scores are attributed to, the features of frames or blocks of samples.
    """

    target: Literal["bonafide", "spoof"]
    baseline: str
    row_axis: str
    n_rows: int
    band_edges: tuple[float, ...]
    sample_rate: int
    hop_seconds: float
    first_centre_seconds: float
    smoothing_frames: int
    fractions: tuple[float, ...]
    tolerance: float
    method: str = PATH_INTEGRAL
    wrt: Literal["features", "waveform"] = "features"


@dataclass(frozen=True)
class Explanation:
    """The attribution of one utterance's score.

    A value of the map is what this frame and row contribute to the score, the mean over windows of
    the score, relative to the baseline:

        sum of the map + outside = +-(score - baseline_score) + delta,

    with minus where the target is spoof. Frames that two windows cover contribute through both.

    Attributes:
        utt_id, label, attack: of the manifest.
        score, baseline_score: the detector's, whatever the target.
        delta, relative_error, steps, converged: completeness, see `integrated.Attribution`.
        outside: what fell on zeros appended to a short clip, where there is no frame.
        map: float32 (rows, frames).
        coverage: int64 (frames,), window frames that fell on each frame; 0 = never seen.
        maskings: the four curves `MASKINGS` over the shares of masked frames, means over windows,
            of the score, float64 (len(fractions),); see `faithfulness.MaskingCurves`.
        settings: what the file's attributions share.
    """

    utt_id: str
    label: str
    attack: str
    score: float
    baseline_score: float
    delta: float
    relative_error: float
    steps: int
    converged: bool
    outside: float
    map: npt.NDArray[np.float32]
    coverage: npt.NDArray[np.int64]
    maskings: dict[str, npt.NDArray[np.float64]]
    settings: Settings

    @property
    def times(self) -> npt.NDArray[np.float64]:
        """Centre of each frame in seconds from the start of the clip, (frames,)."""
        steps = np.arange(self.map.shape[1], dtype=np.float64)
        return self.settings.first_centre_seconds + self.settings.hop_seconds * steps

    @property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Which frames some window covers, (frames,)."""
        return self.coverage > 0

    def evidence(self, label: Literal["bonafide", "spoof"]) -> npt.NDArray[np.float64]:
        """What each frame adds to the score of `label`, (frames,); negative = speaks against."""
        curve: npt.NDArray[np.float64] = self.map.sum(axis=0, dtype=np.float64)
        return curve if label == self.settings.target else -curve


SCALARS = tuple(
    field.name
    for field in fields(Explanation)
    if field.name not in ("map", "coverage", "maskings", "settings")
)
"""Fields of an explanation that are single values."""


def write_attributions(
    path: str | Path, settings: Settings, explanations: Sequence[Explanation]
) -> None:
    """Write explanations in their order, atomically; the same content gives the same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {}
    for explanation in explanations:
        tensors[f"{explanation.utt_id}/map"] = np.ascontiguousarray(explanation.map, np.float32)
        tensors[f"{explanation.utt_id}/coverage"] = explanation.coverage
        for name in MASKINGS:
            tensors[f"{explanation.utt_id}/{name}"] = explanation.maskings[name]
    content = {
        "format": _FORMAT,
        "settings": {field.name: getattr(settings, field.name) for field in fields(Settings)},
        "utterances": [
            {name: getattr(explanation, name) for name in SCALARS} for explanation in explanations
        ],
    }
    with atomic_path(path) as temporary:
        safetensors.numpy.save_file(tensors, temporary, {_KEY: canonical_json(content)})


def _open(path: str | Path) -> Any:
    return safetensors.safe_open(path, framework="numpy")


class Attributions:
    """The explanations in a file; maps are read when they are asked for.

    Attributes:
        settings: what they share.
        utt_ids: in the order in which they were written.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file of :func:`write_attributions`.

        Raises:
            DetectorError: it is missing, damaged, or something else.
        """
        try:
            self._file = _open(path)
            content = json.loads(self._file.metadata()[_KEY])
            if content["format"] != _FORMAT:
                raise DetectorError(f"{path} has format {content['format']}, not {_FORMAT}")
            shared = content["settings"]
            tuples = {key: tuple(shared[key]) for key in ("band_edges", "fractions")}
            self.settings = Settings(**{**shared, **tuples})
            self._scalars = {entry["utt_id"]: entry for entry in content["utterances"]}
        except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
            raise DetectorError(f"{path} holds no attributions, or is damaged: {error}") from error
        self._path = path
        self.utt_ids: list[str] = list(self._scalars)

    def __getitem__(self, utt_id: str) -> Explanation:
        """The explanation of one utterance.

        Raises:
            DetectorError: the file has none.
        """
        if utt_id not in self._scalars:
            raise DetectorError(f"{self._path} does not explain utterance {utt_id!r}")
        return Explanation(
            **self._scalars[utt_id],
            map=self._file.get_tensor(f"{utt_id}/map"),
            coverage=self._file.get_tensor(f"{utt_id}/coverage"),
            maskings={name: self._file.get_tensor(f"{utt_id}/{name}") for name in MASKINGS},
            settings=self.settings,
        )

    def __iter__(self) -> Iterator[Explanation]:
        """All explanations, one after the other."""
        return (self[utt_id] for utt_id in self.utt_ids)

    def __len__(self) -> int:
        return len(self.utt_ids)
